import { DashboardPage } from '../pages/page';
import { LoginPage, SetupPage } from '../pages/sign-in';
import { ADMIN } from '../support/bridge';
import { shoot } from '../support/shots';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: false, alone: 'screens' }, signedIn: false });

test('a bridge that is new', async ({ page, bridge, quiet }) => {
  const setup = new SetupPage(page);
  await setup.open('/setup');
  await shoot(page, 'setup');
  await setup.makeAccount('not-the-token', ADMIN.email, ADMIN.password);
  await expect(setup.problem).toBeVisible();
  await shoot(page, 'setup-refused');
  await setup.makeAccount(bridge.setupToken, ADMIN.email, ADMIN.password);
  await expect(page).toHaveURL('/keys');
  await setup.hydrated();
  await expect(page.getByRole('heading', { name: 'No keys yet' })).toBeVisible();
  await shoot(page, 'keys-empty');
  const dashboard = new DashboardPage(page);
  await dashboard.open('/speed-test');
  await shoot(page, 'speed-test-empty');
  await dashboard.open('/account');
  await shoot(page, 'account');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/login');
  const login = new LoginPage(page);
  await login.open('/login');
  await shoot(page, 'login');
  await login.signIn(ADMIN.email, 'not the password');
  await expect(login.problem).toBeVisible();
  await shoot(page, 'login-refused');
  quiet.expect(/status of 404.*\/nothing/);
  await login.open('/nothing');
  await shoot(page, 'not-found');
});
