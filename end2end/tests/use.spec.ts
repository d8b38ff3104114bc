import { UsePage } from '../pages/use';
import { makeKey } from '../support/keys';
import { expectFitForAll, expectNoOverflow } from '../support/look';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'use' } });

const READ = { model: 'res.partner', method: 'search_read', args: [[]], kwargs: { limit: 1, fields: ['name'] } };

test('how much is called, how fast and what fails is shown for the bridge, a key and a model', async ({ page, request, bridge }) => {
  test.slow();
  const use = new UsePage(page);
  await use.open('/use');
  await expect(use.main).toContainText('Nothing was called in this time');
  await expectFitForAll(page, 'no use');

  const key = await makeKey(page, 'Stock sheet');
  for (let number = 0; number < 20; number += 1) {
    const data = number < 18 ? READ : { ...READ, model: 'no.such.model' };
    await request.post(`${bridge.origin}/call`, { headers: { 'X-API-KEY': key }, data });
  }
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Calls' }).click();
  await page.getByRole('link', { name: 'How much is called, and how fast it is' }).click();
  await expect(use.heading).toHaveText('Use');
  await expect(async () => {
    await page.reload();
    await expect(use.figure('Calls')).toHaveText('20', { timeout: 500 });
  }).toPass();
  await expect(use.figure('Failed')).toHaveText('2 (10.0 %)');
  await expect(use.charts).toHaveCount(3);
  await expect(use.charts.first()).toHaveAccessibleName(/20 calls, 2 of them failed\./);
  await expectFitForAll(page, 'use');

  await page.getByText('Calls, as a table').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('region', { name: 'Calls, as a table' }).locator('tbody tr').last()).toContainText('20');
  await expectFitForAll(page, 'use, as a table');
  for (const range of ['Hour', 'Week', 'Month'] as const) {
    await use.range(range).click();
    await expect(use.range(range)).toHaveAttribute('aria-current', 'true');
    await expect(use.figure('Calls')).toHaveText('20');
    await expectFitForAll(page, `use of a ${range.toLowerCase()}`);
  }
  await expect(use.models).toHaveCount(2);
  await use.models.getByRole('link', { name: 'res.partner' }).click();
  await expect(use.heading).toHaveText('Use of res.partner');
  await expect(use.figure('Calls')).toHaveText('18');
  await page.goBack();
  await use.keys.getByRole('link', { name: 'Stock sheet' }).click();
  await expect(use.heading).toHaveText('Use of the key Stock sheet');
  await expectFitForAll(page, 'use of a key');
  await page.getByRole('region', { name: 'What failed' }).getByRole('link', { name: 'These calls' }).click();
  await expect(page.getByRole('region', { name: 'Calls' }).locator('tbody tr')).toHaveCount(2);

  await use.open('/keys');
  await expect(page.getByRole('img', { name: '20 calls in 24 hours, at most 20 in one' })).toBeVisible();
  await expectFitForAll(page, 'keys with their last day');
  await page.getByRole('link', { name: 'Stock sheet' }).click();
  await page.getByRole('link', { name: 'How much it is used' }).click();
  await expect(use.heading).toHaveText('Use of the key Stock sheet');
});

test('nonsense is refused at its field, also without JavaScript', async ({ newContext, session }) => {
  const page = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
  const use = new UsePage(page);
  await page.goto('/use?range=week&until=yesterday&key=nobody');
  await expect(use.heading).toHaveText('Use');
  await expect(page.getByRole('alert')).toHaveCount(2);
  await expect(page.getByLabel('Until')).toHaveAccessibleDescription(/Write a day/);
  await expect(use.range('Week')).toHaveAttribute('aria-current', 'true');
  await expectNoOverflow(page, 'use without JavaScript');
  await page.getByLabel('Until').fill('2026-11-24');
  await page.getByRole('searchbox', { name: 'Key' }).fill('');
  await use.show.click();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(page).toHaveURL(/range=week/);
});
