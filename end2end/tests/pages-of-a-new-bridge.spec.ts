import { DashboardPage } from '../pages/page';
import { SetupPage } from '../pages/sign-in';
import { ADMIN } from '../support/bridge';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: false, alone: 'pages' }, signedIn: false });
test.slow();

test('the set-up and the pages that have nothing to show yet are fit for all', async ({ page, bridge }) => {
  const setup = new SetupPage(page);
  await setup.open('/setup');
  await expectFitForAll(page, 'set-up');
  await setup.makeAccount('not-the-token', ADMIN.email, ADMIN.password);
  await expect(setup.problem).toBeVisible();
  await expectFitForAll(page, 'set-up, refused');
  await setup.makeAccount(bridge.setupToken, ADMIN.email, ADMIN.password);
  await expect(page).toHaveURL('/keys');
  await setup.hydrated();
  await expect(page.getByRole('heading', { name: 'No keys yet' })).toBeVisible();
  await expectFitForAll(page, 'keys, none yet');
  await new DashboardPage(page).open('/speed-test');
  await expect(page.getByRole('heading', { name: 'No runs yet' })).toBeVisible();
  await expectFitForAll(page, 'speed test, none yet');
});
