import { SetupPage } from '../pages/sign-in';
import { KeysPage } from '../pages/keys';
import { ADMIN } from '../support/bridge';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: false, alone: 'setup' }, signedIn: false });

test('a first visit leads to the set-up, which opens with the token of the terminal only, and closes behind it', async ({
  page,
  bridge,
  newContext,
}) => {
  const setup = new SetupPage(page);
  await page.goto('/');
  await setup.hydrated();
  await expect(page).toHaveURL('/setup');
  await expect(setup.banner).toBeVisible();

  await setup.makeAccount('not-the-token', ADMIN.email, ADMIN.password);
  await expect(setup.problem).toContainText('token');
  await expect(page).toHaveURL('/setup');

  await setup.makeAccount(bridge.setupToken, ADMIN.email, 'short');
  await expect(setup.problem).toContainText('12 characters');

  await setup.makeAccount(bridge.setupToken, ADMIN.email, ADMIN.password);
  await expect(page).toHaveURL('/keys');
  const keys = new KeysPage(page);
  await keys.hydrated();
  await expect(keys.heading).toHaveText('API Access Keys');
  await expect(page.getByRole('heading', { name: 'No keys yet' })).toBeVisible();

  const stranger = await (await newContext()).newPage();
  await stranger.goto('/setup');
  await expect(stranger).toHaveURL('/login');
});
