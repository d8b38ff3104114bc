import { GuidePage } from '../pages/guide';
import { KeyPage, KeysPage } from '../pages/keys';
import { PolicyPage } from '../pages/policy';
import { SpeedTestPage } from '../pages/speed-test';
import { makeKey } from '../support/keys';
import { shoot } from '../support/shots';
import { expect, test } from '../support/test';

const NAMES = [
  'Stock sheet',
  'Web shop',
  'Nightly export to the warehouse of all that was sold, bought and moved during the day',
  'Price list',
  'Reporting',
  'Label printer',
];

test('the keys', async ({ page, quiet }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  for (const [index, name] of NAMES.entries()) {
    await keys.createKey(name, ['Never', 'In 30 days', 'In 90 days'][index % 3]);
    if (index === NAMES.length - 1) await shoot(page, 'keys-new-key');
    await keys.done();
  }
  await keys.row('Web shop').getByRole('button').click();
  await expect(keys.revokeDialog).toBeVisible();
  await shoot(page, 'keys-revoke');
  await keys.revokeDialog.getByRole('button', { name: 'Revoke key' }).click();
  await expect(keys.row('Web shop')).toContainText('Revoked');
  await shoot(page, 'keys-full');
  await keys.search.fill('no such key');
  await expect(page.getByRole('heading', { name: 'No key matches' })).toBeVisible();
  await shoot(page, 'keys-none-found');
  await keys.open('/keys');
  await keys.create.click();
  await keys.createDialog.getByLabel('Name').fill('Too late');
  await keys.createDialog.getByLabel('Expires').selectOption('On a date…');
  await keys.createDialog.getByLabel('Last day').fill('2020-01-31');
  await shoot(page, 'keys-create');
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  await expect(keys.createDialog.getByRole('alert')).toBeVisible();
  await shoot(page, 'keys-create-refused');
  await keys.createDialog.getByRole('button', { name: 'Cancel' }).click();

  await keys.row('Price list').getByRole('link', { name: 'Price list' }).click();
  const key = new KeyPage(page);
  await page.getByRole('link', { name: 'Change, switch off or roll' }).click();
  const policy = new PolicyPage(page);
  await page.getByLabel('Begin with').selectOption('stock_sync');
  await policy.button('Put it in the editor').click();
  await policy.why('stock.quant', 'write', '[[7], {"quantity": 5}]');
  await shoot(page, 'policy');
  await policy.document.fill('{"access":"rules"}');
  await policy.button('Save policy').click();
  await shoot(page, 'policy-refused');
  await policy.button('Roll').click();
  await shoot(page, 'policy-rolled');
  await page.getByRole('link', { name: 'The key', exact: true }).click();
  await key.question.click();
  await shoot(page, 'key');
  await key.confirm.click();
  await expect(key.details).toContainText('Revoked at');
  await shoot(page, 'key-revoked');
  quiet.expect(/status of 404.*\/keys\/nothing/);
  await key.open('/keys/nothing');
  await shoot(page, 'key-not-found');
});

test('the guide', async ({ page, quiet }) => {
  const key = await makeKey(page, 'Guide');
  const guide = new GuidePage(page);
  await guide.open('/guide');
  await shoot(page, 'guide');
  await guide.key.fill(key);
  await guide.send.click();
  await expect(guide.result).toContainText('HTTP 200');
  for (const summary of await page.locator('summary').all()) await summary.click();
  await guide.tab('curl').click();
  await shoot(page, 'guide-answered');
  quiet.expect(/status of 404.*\/call/);
  await guide.model.fill('no.such.model');
  await guide.send.click();
  await expect(guide.result).toContainText('HTTP 404');
  await shoot(page, 'guide-refused');
});

test('the speed test', async ({ page }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  for (let count = 1; count <= 12; count++) {
    const which = count % 3 === 0 ? 'Heavy' : 'Light';
    await speed.run(which).click();
    await expect(speed.rows).toHaveCount(count);
  }
  await shoot(page, 'speed-test-full');
  await speed.filter('status', 'Failed').click();
  await expect(page.getByRole('heading', { name: 'No such run' })).toBeVisible();
  await shoot(page, 'speed-test-none-found');
});
