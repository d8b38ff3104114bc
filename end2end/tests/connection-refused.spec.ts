import { ConnectionPage } from '../pages/connection';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/refused';

test('every page says that Odoo refuses the credentials, and one says what to do', async ({ page, newContext, session }) => {
  test.slow();
  const connection = new ConnectionPage(page);
  await connection.openRefused();
  await expect(connection.refusal).toContainText('Odoo refuses ODOO_API_KEY.');
  await expect(connection.refusal).toContainText('user admin, database demo');
  await expect(connection.refusal).toContainText(/tried again (in \d+ (seconds|minutes)|with the next call)\./);
  await expect(connection.ways.filter({ hasText: 'Refused' })).not.toHaveCount(0);
  await expect(connection.ways.filter({ hasText: 'In use' })).toHaveCount(0);
  await expect(connection.alarm).toContainText('Odoo refuses ODOO_API_KEY. Calls fail until it is mended.');
  expect(await page.content(), 'no secret is on the page').not.toContain('not-the-key');
  await expectFitForAll(page, 'connection, refused');

  await test.step('the alarm stays while its reader goes from page to page', async () => {
    for (const name of ['API Keys', 'Integration Guide', 'Speed Test']) {
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click();
      await expect(page.getByRole('heading', { level: 1 })).not.toHaveText('Odoo Connection');
      await expect(connection.alarm).toContainText('Odoo refuses ODOO_API_KEY');
    }
    await expectFitForAll(page, 'a page with the alarm');
    await connection.alarm.getByRole('link', { name: 'See the Odoo connection' }).click();
    await expect(connection.heading).toHaveText('Odoo Connection');
  });

  await test.step('it is there without JavaScript, and not for who is signed out', async () => {
    const plain = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
    await plain.goto('/keys');
    await expect(plain.locator('.alarm')).toContainText('Odoo refuses ODOO_API_KEY');
    const stranger = await (await newContext()).newPage();
    await stranger.goto('/login');
    await expect(stranger.getByRole('heading', { name: 'Sign in', exact: true })).toBeVisible();
    expect(await stranger.content()).not.toContain('ODOO_API_KEY. Calls fail');
  });
});
