import type { Page } from '@playwright/test';

import { GuidePage, SNIPPETS, type SnippetId } from '../pages/guide';
import { KeyPage, KeysPage } from '../pages/keys';
import { DashboardPage } from '../pages/page';
import { AccountPage, LoginPage } from '../pages/sign-in';
import { SpeedTestPage } from '../pages/speed-test';
import { ADMIN } from '../support/bridge';
import { makeKey } from '../support/keys';
import { expectNoOverflow } from '../support/look';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'no-javascript' } });

/** A browser without JavaScript, signed in by the form. */
async function signedInPage(newContext: (options: object) => Promise<{ newPage: () => Promise<Page> }>): Promise<Page> {
  const page = await (await newContext({ javaScriptEnabled: false })).newPage();
  const login = new LoginPage(page);
  await page.goto('/login');
  await login.signIn(ADMIN.email, ADMIN.password);
  await expect(page).toHaveURL('/keys');
  return page;
}

test('signing in, wrongly and rightly, and signing out are plain forms', async ({ newContext }) => {
  const page = await (await newContext({ javaScriptEnabled: false })).newPage();
  const login = new LoginPage(page);
  await page.goto('/speed-test');
  await expect(page).toHaveURL(/\/login/);
  await login.signIn(ADMIN.email, 'not the password');
  await expect(login.problem).toHaveText('The email or the password is wrong. Check both and try again.');
  await expect(login.problem).toBeFocused();
  expect(page.url()).not.toContain('not the password');
  await login.signIn(ADMIN.email, ADMIN.password);
  await expect(page).toHaveURL(/\/(speed-test|keys)$/);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/login');
});

test('every page is complete', async ({ newContext }) => {
  const page = await signedInPage(newContext);
  const dashboard = new DashboardPage(page);
  for (const [path, heading] of [
    ['/keys', 'API Access Keys'],
    ['/guide', 'API Integration Guide'],
    ['/speed-test', 'Odoo Bridge Speed Test'],
    ['/connection', 'Odoo Connection'],
    ['/account', 'Account'],
  ]) {
    await page.goto(path);
    await expect(dashboard.heading).toHaveText(heading);
    await expect(dashboard.banner).toBeVisible();
    await expect(page.getByText('Loading')).toHaveCount(0);
    await expect(page.locator('.skeleton')).toHaveCount(0);
    await expect(dashboard.problem.filter({ hasText: /\S/ })).toHaveCount(0);
    await expectNoOverflow(page, path);
  }
});

test('keys are listed, searched, sorted and filtered by plain links and forms', async ({ page, newContext }) => {
  await makeKey(page, 'Plain beta');
  await makeKey(page, 'Plain alpha');
  const plain = await signedInPage(newContext);
  const keys = new KeysPage(plain);
  await expect(keys.create).toBeDisabled();
  await expect(plain.locator('noscript .notice')).toContainText('To create a key, turn on JavaScript');
  await expect(plain.locator('noscript .notice')).toBeVisible();
  await expect(keys.row('Plain alpha')).toContainText('UTC');
  await keys.search.fill('plain');
  // By its place: what is in a noscript has no role for the test's own search.
  await plain.locator('noscript button', { hasText: 'Search' }).click();
  await expect(plain).toHaveURL('/keys?q=plain');
  await expect(keys.names()).resolves.toEqual(['Plain alpha', 'Plain beta']);
  await keys.column('Created At').getByRole('link').click();
  await expect(plain).toHaveURL(/q=plain/);
  await expect(keys.names()).resolves.toEqual(['Plain beta', 'Plain alpha']);
  await keys.status('Revoked').click();
  await expect(plain.getByRole('heading', { name: 'No key matches' })).toBeVisible();
  await plain.getByRole('link', { name: 'Clear filters' }).click();
  await expect(plain).toHaveURL('/keys');
});

test('a key is revoked on its own page', async ({ page, newContext, request, bridge }) => {
  const secret = await makeKey(page, 'Plain revoked');
  const call = () =>
    request.post(`${bridge.origin}/call`, {
      headers: { 'X-API-KEY': secret },
      data: { model: 'res.partner', method: 'search_count', args: [[]] },
    });
  expect((await call()).status()).toBe(200);
  const plain = await signedInPage(newContext);
  await new KeysPage(plain).row('Plain revoked').getByRole('link', { name: 'Revoke Plain revoked' }).click();
  const key = new KeyPage(plain);
  await expect(plain).toHaveURL(/\/keys\/[0-9a-f-]{36}#revoke$/);
  await expect(key.confirm).toBeHidden();
  await key.question.click();
  await key.confirm.click();
  await expect(plain).toHaveURL(/\/keys\/[0-9a-f-]{36}/);
  await expect(key.details).toContainText('Revoked at');
  await expect(key.confirm).toHaveCount(0);
  expect((await call()).status()).toBe(401);
});

test('the guide can be read from top to bottom', async ({ newContext }) => {
  const plain = await signedInPage(newContext);
  const guide = new GuidePage(plain);
  await plain.goto('/guide');
  for (const id of Object.keys(SNIPPETS) as SnippetId[]) {
    await expect(guide.snippet(id)).toBeVisible();
    await expect(guide.panel(id).getByRole('heading', { name: SNIPPETS[id] })).toBeVisible();
  }
  await expect(plain.locator('noscript .notice')).toContainText('This panel needs JavaScript');
  await expect(plain.locator('noscript .notice')).toBeVisible();
  await expect(plain.getByTestId('error-codes')).toBeVisible();
});

test('a speed test is a plain form', async ({ newContext }) => {
  const plain = await signedInPage(newContext);
  const speed = new SpeedTestPage(plain);
  await plain.goto('/speed-test');
  await speed.run('Light').click();
  await expect(plain).toHaveURL(/\/speed-test/);
  await expect(speed.rows).toHaveCount(1);
  await expect(speed.rows.first()).toContainText('Light');
  await expect(speed.lastLatency('Light')).toHaveText(/^Last Latency: \d/);
  await expect(speed.chart.first()).toBeVisible();
  await speed.filter('test type', 'Heavy').click();
  await expect(plain.getByRole('heading', { name: 'No such run' })).toBeVisible();
});

test('the theme and the password are changed by plain forms', async ({ newContext }) => {
  const plain = await signedInPage(newContext);
  await plain.goto('/account');
  await new DashboardPage(plain).theme('Dark theme').click();
  await expect(plain).toHaveURL(/\/account\??$/);
  await expect(plain.locator('html')).toHaveAttribute('data-theme', 'dark');

  const account = new AccountPage(plain);
  await account.changePassword('not the old one', 'not the new one either');
  await expect(account.problem).toHaveText('The present password is wrong. Nothing was changed.');
  await account.changePassword(ADMIN.password, `${ADMIN.password} again`);
  await expect(plain.getByText('The password is changed. Your other sessions are ended.')).toBeVisible();
  await account.changePassword(`${ADMIN.password} again`, ADMIN.password);
  await expect(plain.getByText('The password is changed. Your other sessions are ended.')).toBeVisible();
});
