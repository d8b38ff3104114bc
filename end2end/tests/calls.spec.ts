import type { APIRequestContext } from '@playwright/test';

import { CallsPage } from '../pages/calls';
import { makeKey } from '../support/keys';
import { expectFitForAll, expectNoOverflow } from '../support/look';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'calls' } });

const READ = { model: 'res.partner', method: 'search_read', args: [[]], kwargs: { limit: 1, fields: ['name'] } };

/** Sends calls, the last with this id. */
async function call(request: APIRequestContext, origin: string, key: string, body: object, ids: string[]): Promise<void> {
  for (const id of ids) {
    await request.post(`${origin}/call`, { headers: { 'X-API-KEY': key, 'X-Request-Id': id }, data: body });
  }
}

test('what was called is found, page by page, and one call tells where its time went', async ({ page, request, bridge }) => {
  test.slow();
  const calls = new CallsPage(page);
  await calls.open('/calls');
  await expect(calls.main).toContainText('Nothing was called yet');
  await expectFitForAll(page, 'no calls');

  const key = await makeKey(page, 'Stock sheet');
  const ids = [...Array(60).keys()].map((number) => `read-${number}`);
  await call(request, bridge.origin, key, READ, ids);
  await call(request, bridge.origin, key, { ...READ, model: 'no.such.model' }, ['the-failure']);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Calls' }).click();
  await expect(calls.heading).toHaveText('Calls');
  await expect(async () => {
    await page.reload();
    await expect(calls.rows).toHaveCount(50, { timeout: 500 });
    await expect(calls.rows.first()).toContainText('the-failure', { timeout: 500 });
  }).toPass();
  await expectFitForAll(page, 'calls');
  const first = await calls.requests();
  await calls.link('Older').click();
  await expect(calls.rows).toHaveCount(11);
  expect([...first, ...(await calls.requests())]).toEqual(['the-failure', ...ids.reverse()]);
  await calls.link('Newer').click();
  await expect(calls.rows).toHaveCount(50);
  expect(await calls.requests()).toEqual(first);
  await calls.link('Newest').click();

  await page.getByLabel('Result').selectOption({ label: 'Everything that failed' });
  await page.getByLabel('Key').fill('Stock sheet');
  await calls.show.click();
  await expect(calls.rows).toHaveCount(1);
  await expect(page).toHaveURL(/code=failed/);
  await page.getByLabel('Model').fill('not a model');
  await page.getByLabel('Slower than').fill('quick');
  await calls.show.click();
  await expect(page.getByRole('alert')).toHaveCount(2);
  await expect(page.getByLabel('Model')).toHaveAccessibleDescription(/no model's name/);
  await expect(calls.rows).toHaveCount(1);
  await expectFitForAll(page, 'filters that are nonsense');

  await calls.rows.getByRole('rowheader').getByRole('link').click();
  await expect(calls.heading).toHaveText('Call');
  await expect(calls.main).toContainText('no.such.model');
  await expect(page.getByRole('link', { name: 'What it means and what to do' })).toHaveAttribute('href', /\/guide\/errors\/odoo_not_found$/);
  await expect(calls.phases).toHaveCount(6);
  await expect(calls.main).toContainText('Odoo knows no model of this name.');
  await expect(calls.phases.filter({ hasText: 'Odoo' }).last()).toBeVisible();
  await expectFitForAll(page, 'one call');

  await page.goto('/keys');
  await page.getByRole('link', { name: 'Stock sheet' }).click();
  await page.getByRole('link', { name: 'All calls of this key' }).click();
  await expect(calls.heading).toHaveText('Calls');
  await expect(calls.rows).toHaveCount(50);
  await expect(page.getByLabel('Key')).toHaveValue(/^obk_/);
});

test('new calls show by themselves while the switch is pressed', async ({ page, request, bridge, quiet }) => {
  // That is how a browser calls a live list that is switched off.
  quiet.expect(/GET .*\/calls\/live.* net::ERR_ABORTED/);
  test.slow();
  const key = await makeKey(page, 'Live');
  const calls = new CallsPage(page);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Calls' }).click();
  await expect(calls.heading).toHaveText('Calls');
  await calls.open('/calls?method=search_count');
  await expect(calls.main).toContainText('No call is like that');
  await expect(calls.live).toHaveAttribute('aria-pressed', 'false');
  await calls.live.focus();
  await page.keyboard.press('Enter');
  await expect(calls.live).toHaveAttribute('aria-pressed', 'true');
  await expect(calls.status).toHaveText('Live');
  await call(request, bridge.origin, key, READ, ['not-asked-for']);
  await call(request, bridge.origin, key, { model: 'res.partner', method: 'search_count', args: [[]] }, ['one', 'two']);
  await expect(calls.rows).toHaveCount(2);
  expect(await calls.requests()).toEqual(['two', 'one']);
  await expect(calls.status).toHaveText(/^[12] new$/);
  await expectFitForAll(page, 'live');
  await calls.live.click();
  await expect(calls.live).toHaveAttribute('aria-pressed', 'false');
  await expect(calls.status).toHaveText('Not live');
  await call(request, bridge.origin, key, { model: 'res.partner', method: 'search_count', args: [[]] }, ['three']);
  await calls.live.click();
  await expect(calls.rows).toHaveCount(3);
});

test('a live view ends when its page is left without a load, and does not come back elsewhere', async ({ page, quiet }) => {
  // That is how a browser calls a live list that is left.
  quiet.expect(/GET .*\/calls\/live.* net::ERR_ABORTED/);
  const calls = new CallsPage(page);
  await calls.open('/calls');
  await calls.live.click();
  await expect(calls.status).toHaveText('Live');
  const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/calls/live'));
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'API keys' }).click();
  await expect(calls.heading).toHaveText('API Access Keys');
  await ended;
  const opened: string[] = [];
  page.on('request', (request) => opened.push(request.url()));
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Calls' }).click();
  await expect(calls.heading).toHaveText('Calls');
  await expect(calls.live).toHaveAttribute('aria-pressed', 'false');
  expect(opened.filter((url) => url.includes('/calls/live'))).toEqual([]);
});

test('calls are found without JavaScript', async ({ newContext, session }) => {
  const page = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
  const calls = new CallsPage(page);
  await page.goto('/calls?from=yesterday');
  await expect(calls.heading).toHaveText('Calls');
  await expect(page.getByRole('alert')).toContainText('Write a day');
  await expect(calls.live).toBeHidden();
  await expectNoOverflow(page, 'calls without JavaScript');
});
