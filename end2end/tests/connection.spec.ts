import { ConnectionPage } from '../pages/connection';
import { KeyPage, KeysPage } from '../pages/keys';
import { makeKey } from '../support/keys';
import { expectFitForAll, expectNoOverflow } from '../support/look';
import { expect, test } from '../support/test';

const READ = { model: 'res.partner', method: 'search_read', args: [[]], kwargs: { limit: 1, fields: ['name'] } };

test('the page says which way calls take, why, and what was counted', async ({ page }) => {
  test.slow();
  const connection = new ConnectionPage(page);
  await connection.open('/keys');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Odoo Connection' }).click();
  await expect(connection.heading).toHaveText('Odoo Connection');
  await expect(connection.main).toBeFocused();
  await expect(connection.ways).toHaveCount(3);
  // The start's probe may still be under way.
  await expect(async () => {
    await connection.refresh.click();
    await expect(connection.ways.filter({ hasText: 'In use' })).toHaveCount(1, { timeout: 500 });
  }).toPass();
  await expect(connection.ways.filter({ hasText: 'In use' })).toContainText(/\d\.\d ms/);
  await expect(page.getByText(/^Calls go over /)).toBeVisible();
  await expect(connection.fact('Database')).toHaveText('demo');
  await expect(connection.fact('Calls sent to Odoo')).toHaveText(/^[1-9]\d*$/);
  await expect(connection.fact('Requests that reused one')).toHaveText(/^\d+ %$/);
  await expect(connection.fact('Call records lost')).toHaveText('0');
  await expect(connection.refusal).toHaveCount(0);
  await expect(connection.alarm).toBeEmpty();
  expect(await page.content(), 'no secret is on the page').not.toContain('demo-api-key');
  await expectFitForAll(page, 'connection');
});

test('the page needs no JavaScript', async ({ newContext, session }) => {
  const page = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
  const connection = new ConnectionPage(page);
  await page.goto('/connection');
  await expect(connection.heading).toHaveText('Odoo Connection');
  await expect(connection.ways).toHaveCount(3);
  await expect(page.locator('.skeleton')).toHaveCount(0);
  await connection.refresh.click();
  await expect(page).toHaveURL('/connection');
  await expect(connection.ways).toHaveCount(3);
  await expectNoOverflow(page, 'connection without JavaScript');
});

test('a key shows its calls, and first that there are none', async ({ page, request, bridge }) => {
  test.slow();
  const secret = await makeKey(page, 'Shows its calls');
  const call = (body: object) => request.post(`${bridge.origin}/call`, { headers: { 'X-API-KEY': secret }, data: body });
  await new KeysPage(page).row('Shows its calls').getByRole('link', { name: 'Shows its calls' }).click();
  const key = new KeyPage(page);
  await expect(key.recent).toContainText('This key has made no calls yet');
  await expectFitForAll(page, 'key without calls');

  expect((await call(READ)).status()).toBe(200);
  expect((await call({ ...READ, model: 'no.such.model' })).status()).toBe(404);
  const rows = key.recent.locator('tbody tr');
  await expect(async () => {
    await page.reload();
    await expect(rows).toHaveCount(2, { timeout: 500 });
  }).toPass();
  await key.hydrated();
  await expect(key.recent).toContainText('2 calls in the last 24 hours, 1 of them failed.');
  await expect(rows.last()).toContainText(/res\.partner.*search_read.*ok.*\d ms.*(Web session|JSON-RPC|JSON-2)/s);
  await expect(rows.first()).toContainText('no.such.model');
  await expect(rows.first()).not.toContainText('ok');
  await expectFitForAll(page, 'key with calls');
});

test('sharing of identical reads is turned on and off, and is told when it was', async ({ page }) => {
  await makeKey(page, 'Shares');
  await new KeysPage(page).row('Shares').getByRole('link', { name: 'Shares' }).click();
  const key = new KeyPage(page);
  const status = key.sharing.getByRole('status');
  const button = key.sharing.getByRole('button');
  await expect(status).toHaveText('It is off.');
  await button.focus();
  await page.keyboard.press('Enter');
  await expect(status).toHaveText('It is on.');
  await expect(button).toHaveText('Turn off');
  await expect(button, 'the focus stays').toBeFocused();
  await page.reload();
  await expect(status).toHaveText('It is on.');
  await key.hydrated();
  await button.click();
  await expect(status).toHaveText('It is off.');
});

test('without JavaScript it is a plain form, and a revoked key has none', async ({ page, newContext, session }) => {
  await makeKey(page, 'Shares plainly');
  const plain = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
  await plain.goto('/keys');
  await new KeysPage(plain).row('Shares plainly').getByRole('link', { name: 'Shares plainly', exact: true }).click();
  const key = new KeyPage(plain);
  await expect(key.recent).toContainText('no calls yet');
  for (const word of ['on', 'off']) {
    await key.sharing.getByRole('button').click();
    await expect(key.sharing.getByRole('status')).toHaveText(`It is ${word}.`);
  }
  await key.question.click();
  await key.confirm.click();
  await expect(key.details).toContainText('Revoked at');
  await expect(key.sharing.getByRole('button')).toHaveCount(0);
});

test('a key can be made to share from the start', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await keys.create.click();
  await keys.createDialog.getByLabel('Share identical reads').check();
  await keys.createDialog.getByLabel('Name').fill('Shares from the start');
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  await keys.done();
  // The next one is as new: what was checked for one key is not for another.
  await keys.create.click();
  await expect(keys.createDialog.getByLabel('Share identical reads')).not.toBeChecked();
  await keys.createDialog.getByRole('button', { name: 'Cancel' }).click();
  await keys.row('Shares from the start').getByRole('link', { name: 'Shares from the start' }).click();
  await expect(new KeyPage(page).sharing.getByRole('status')).toHaveText('It is on.');
});
