import { GuidePage } from '../pages/guide';
import { KeyPage, KeysPage } from '../pages/keys';
import { DashboardPage } from '../pages/page';
import { AccountPage, LoginPage } from '../pages/sign-in';
import { SpeedTestPage } from '../pages/speed-test';
import { makeKey } from '../support/keys';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

// Each page in each of its states: fit for all, and with the banner of the demo Odoo.

test.slow();

test.describe('signed out', () => {
  test.use({ signedIn: false });

  test('the login page', async ({ page }) => {
    const login = new LoginPage(page);
    await login.open('/login');
    await expect(login.banner).toBeVisible();
    await expectFitForAll(page, 'login');
    await login.signIn('nobody@example.com', 'not the password');
    await expect(login.problem).toBeVisible();
    await login.hydrated();
    await expectFitForAll(page, 'login, refused');
  });
});

test('the keys', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await keys.createKey('A key with a name that is so long that it has to be broken somewhere, in one place or another', 'In 30 days');
  await expectFitForAll(page, 'new key');
  await keys.done();
  await expect(keys.banner).toBeVisible();
  await expectFitForAll(page, 'keys, one created');

  await keys.create.click();
  await expect(keys.createDialog).toBeVisible();
  await expectFitForAll(page, 'create dialog');
  await keys.createDialog.getByLabel('Name').fill('Too late');
  await keys.createDialog.getByLabel('Expires').selectOption('On a date…');
  await keys.createDialog.getByLabel('Last day').fill('2020-01-31');
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  await expect(keys.createDialog.getByRole('alert')).toBeVisible();
  await expectFitForAll(page, 'create dialog, refused');
  await keys.createDialog.getByRole('button', { name: 'Cancel' }).click();

  await keys.rows.first().getByRole('button').click();
  await expect(keys.revokeDialog).toBeVisible();
  await expectFitForAll(page, 'revoke dialog');
  await keys.revokeDialog.getByRole('button', { name: 'Revoke key' }).click();
  await expect(keys.rows.first()).toContainText('Revoked');
  await expectFitForAll(page, 'keys, one revoked');

  await keys.search.fill('no such key');
  await expect(page.getByRole('heading', { name: 'No key matches' })).toBeVisible();
  await expectFitForAll(page, 'keys, none found');
});

test('one key', async ({ page, quiet }) => {
  await makeKey(page, 'One key');
  const keys = new KeysPage(page);
  await keys.row('One key').getByRole('link', { name: 'One key' }).click();
  const key = new KeyPage(page);
  await expect(key.heading).toHaveText('One key');
  await expect(key.banner).toBeVisible();
  await key.question.click();
  await expectFitForAll(page, 'key, asked whether to revoke');
  await key.confirm.click();
  await expect(key.details).toContainText('Revoked at');
  await expectFitForAll(page, 'key, revoked');

  quiet.expect(/status of 404.*\/keys\/nothing/);
  await key.open('/keys/nothing');
  await expectFitForAll(page, 'no such key');
});

test('the guide', async ({ page, quiet }) => {
  const guide = new GuidePage(page);
  await guide.open('/guide');
  await expect(guide.banner).toBeVisible();
  await guide.send.click();
  await expect(guide.inputProblem).toBeVisible();
  for (const summary of await page.locator('summary').all()) await summary.click();
  await expectFitForAll(page, 'guide, key missing');

  await guide.key.fill('obk_00000000_00000000000000000000000000000000000000');
  quiet.expect(/status of 401.*\/call/);
  await guide.send.click();
  await expect(guide.result).toContainText(/HTTP 401/);
  await guide.tab('curl').click();
  await guide.result.locator('summary').click();
  await expectFitForAll(page, 'guide, refused');
});

test('the speed test', async ({ page }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  await expect(speed.banner).toBeVisible();
  await speed.run('Heavy').click();
  await expect(speed.rows.first()).toContainText('25 sales orders');
  await speed.run('Light').click();
  await expect(speed.rows.first()).toContainText('Light');
  await expectFitForAll(page, 'speed test, two runs');
  await speed.filter('status', 'Failed').click();
  await expect(page.getByRole('heading', { name: 'No such run' })).toBeVisible();
  await expectFitForAll(page, 'speed test, none found');
});

test('the account', async ({ page }) => {
  const account = new AccountPage(page);
  await account.open('/account');
  await expect(account.banner).toBeVisible();
  await expectFitForAll(page, 'account');
  await account.changePassword('not the old one', 'not the new one either');
  await expect(account.problem).toBeVisible();
  await account.hydrated();
  await expectFitForAll(page, 'account, refused');
});

test('no page', async ({ page, quiet }) => {
  quiet.expect(/status of 404.*\/nothing-is-here/);
  const nothing = new DashboardPage(page);
  await nothing.open('/nothing-is-here');
  await expect(nothing.heading).toHaveText('Nothing is here');
  await expect(nothing.banner).toBeVisible();
  await expectFitForAll(page, 'not found');
});
