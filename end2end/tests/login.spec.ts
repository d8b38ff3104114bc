import { AccountPage, LoginPage } from '../pages/sign-in';
import { ADMIN } from '../support/bridge';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'login' }, signedIn: false });

const NEXT_PASSWORD = 'another walk in the sun';
/** Wrong passwords in a row that bring a lock. */
const ALLOWED = 5;

test('who is not signed in is led to the login page, and after it to where they wanted', async ({ page }) => {
  const login = new LoginPage(page);
  await page.goto('/guide');
  await login.hydrated();
  await expect(page).toHaveURL(/\/login\?next=/);
  await expect(login.banner).toBeVisible();
  await login.signIn(ADMIN.email, ADMIN.password);
  await expect(page).toHaveURL('/guide');
});

test('a wrong password is refused in words, and does not tell whether the account exists', async ({ page }) => {
  const login = new LoginPage(page);
  await login.open('/login');
  await login.signIn(ADMIN.email, 'not the password');
  await expect(login.problem).toHaveText('The email or the password is wrong. Check both and try again.');
  await expect(login.problem).toBeFocused();
  await expect(page).toHaveURL('/login');
  const known = await login.problem.innerText();
  await login.hydrated();

  await login.signIn('nobody@example.com', 'not the password');
  await expect(login.problem).toHaveText(known);

  await login.hydrated();
  await expect(page).toHaveURL('/login');
  await page.reload();
  await login.hydrated();
  await expect(login.problem, 'a reload does not say it again').toHaveCount(0);
});

test('the password can be looked at before it is sent', async ({ page }) => {
  const login = new LoginPage(page);
  await login.open('/login');
  await login.password.fill('what I typed');
  await page.getByRole('button', { name: 'Show password' }).click();
  await expect(login.password).toHaveAttribute('type', 'text');
  await page.getByRole('button', { name: 'Hide password' }).click();
  await expect(login.password).toHaveAttribute('type', 'password');
});

test('after several wrong passwords an account is locked, and says for how long', async ({ page }) => {
  const login = new LoginPage(page);
  await login.open('/login');
  for (let attempt = 1; attempt <= ALLOWED + 1; attempt++) {
    await login.signIn('eve@example.com', `guess number ${attempt}`);
    await expect(login.problem).toContainText(attempt <= ALLOWED ? 'password is wrong' : 'Too many attempts failed');
    await login.hydrated();
  }
  await expect(login.problem).toContainText(/Try again in \d+ seconds/);
});

test('signing out ends the session for good', async ({ page, context, newContext }) => {
  const login = new LoginPage(page);
  await login.open('/login');
  await login.signIn(ADMIN.email, ADMIN.password);
  await expect(page).toHaveURL('/keys');
  await login.hydrated();
  // The other one says that somebody signed in here before: it opens nothing, and stays.
  const isSession = (cookie: { name: string }) => cookie.name !== 'bridge_device';
  const [cookie] = (await context.cookies()).filter((cookie) => cookie.httpOnly && isSession(cookie));
  expect(cookie.sameSite).toBe('Lax');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/login');
  expect((await context.cookies()).filter(isSession)).toEqual([]);

  // A copy of the cookie, kept from before, opens nothing.
  const thief = await newContext();
  await thief.addCookies([cookie]);
  const stolen = await thief.newPage();
  await stolen.goto('/keys');
  await expect(stolen).toHaveURL(/\/login/);
});

test('a new password needs the old one, and ends the other sessions', async ({ page, newContext }) => {
  const signIn = async (login: LoginPage, password: string) => {
    await login.open('/login');
    await login.signIn(ADMIN.email, password);
    await expect(login.page).toHaveURL('/keys');
    await login.hydrated();
  };
  const other = await (await newContext()).newPage();
  await signIn(new LoginPage(other), ADMIN.password);
  await signIn(new LoginPage(page), ADMIN.password);

  const account = new AccountPage(page);
  await account.open('/account');
  await account.changePassword('not the old one', NEXT_PASSWORD);
  await expect(account.problem).toHaveText('The present password is wrong. Nothing was changed.');
  await expect(account.problem).toBeFocused();
  await account.hydrated();

  await account.changePassword(ADMIN.password, NEXT_PASSWORD);
  await expect(page.getByText('The password is changed. Your other sessions are ended.')).toBeVisible();
  await expect(account.problem).toHaveCount(0);
  await expect(account.oldPassword).toHaveValue('');
  await account.hydrated();
  await expect(page).toHaveURL('/account');

  await page.reload();
  await account.hydrated();
  await expect(page).toHaveURL('/account');
  await expect(page.getByText('The password is changed.'), 'a reload does not say it again').toHaveCount(0);
  await other.goto('/keys');
  await expect(other).toHaveURL(/\/login/);
  await new LoginPage(other).hydrated();
  await new LoginPage(other).signIn(ADMIN.email, NEXT_PASSWORD);
  await expect(other).toHaveURL('/keys');
});
