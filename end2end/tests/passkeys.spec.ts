import type { CDPSession, Page } from '@playwright/test';

import { LoginPage } from '../pages/sign-in';
import { ADMIN } from '../support/bridge';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'passkeys' }, signedIn: false });

/** A device of Chromium's own, whose owner always agrees. */
async function plugIn(page: Page): Promise<{ browser: CDPSession; authenticatorId: string }> {
  const browser = await page.context().newCDPSession(page);
  await browser.send('WebAuthn.enable');
  const { authenticatorId } = await browser.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { browser, authenticatorId };
}

test('a passkey is added, signs in without a password, once for each question, and not after its removal', async ({ newContext, bridge, quiet }) => {
  quiet.expect(/status of 401/);
  test.slow();
  // Passkeys are for names, not for addresses of numbers.
  const baseURL = bridge.origin.replace('127.0.0.1', 'localhost');
  const page = await (await newContext({ baseURL })).newPage();
  const device = await plugIn(page);
  const login = new LoginPage(page);
  await login.open('/login');
  await login.signIn(ADMIN.email, ADMIN.password);
  await page.goto('/account/security');
  await expectFitForAll(page, 'sign-in and sessions, no passkey');
  await page.getByLabel('Name of the new one').fill('Laptop');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  const rows = page.getByRole('region', { name: 'Table of passkeys' }).locator('tbody tr');
  await expect(rows).toHaveText(/Laptop.*Never/);
  await expectFitForAll(page, 'sign-in and sessions, a passkey');

  // The same device again: it has one already.
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await expect(page.locator('.passkey-said')).toHaveText('This device has a passkey for this account already.');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await login.hydrated();
  await page.goto('/login?next=/guide');
  const answered = page.waitForRequest('**/api/sign_in_with_passkey');
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page).toHaveURL('/guide');
  const answer = (await answered).postDataJSON();
  await page.goto('/audit');
  const written = page.getByRole('row', { name: /signed in/ }).first();
  await written.getByText('What changed').click();
  await expect(written.getByText('with a passkey')).toBeVisible();

  // What was heard on the way opens nothing again, nor with a word of it changed.
  const headers = { Origin: baseURL };
  const again = await page.request.post('/api/sign_in_with_passkey', { data: answer, headers });
  expect(again.status()).toBe(401);
  for (const part of ['clientDataJSON', 'authenticatorData', 'signature', 'userHandle']) {
    const response = { ...answer.credential.response };
    const at = response[part].length >> 1;
    response[part] = response[part].slice(0, at) + (response[part][at] === 'A' ? 'B' : 'A') + response[part].slice(at + 1);
    const changed = { ...answer, credential: { ...answer.credential, response } };
    const refused = await page.request.post('/api/sign_in_with_passkey', { data: changed, headers });
    expect([400, 401], part).toContain(refused.status());
    expect(refused.headers()['set-cookie'], part).toBeUndefined();
  }

  // A device that did not make sure of the person is nobody's.
  await page.goto('/account/security');
  await expect(rows).toHaveText(/Laptop.*ago|Laptop.*UTC/);
  await device.browser.send('WebAuthn.setUserVerified', { authenticatorId: device.authenticatorId, isUserVerified: false });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await login.hydrated();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.locator('.passkey-said')).toHaveText('No passkey was given.');
  await device.browser.send('WebAuthn.setUserVerified', { authenticatorId: device.authenticatorId, isUserVerified: true });
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page).toHaveURL('/keys');

  await page.goto('/account/security');
  await page.getByRole('button', { name: 'Remove Laptop' }).click();
  await expect(page.getByText('The passkey is removed.')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await login.hydrated();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.locator('.passkey-said')).toHaveText('This passkey is not accepted here. Sign in with your password.');
});

test('at an address of numbers the page says why there are no passkeys', async ({ page, session, newContext, quiet }) => {
  quiet.expect(/status of 400/);
  const signedIn = await (await newContext({ storageState: session })).newPage();
  await signedIn.goto('/account/security');
  await expect(signedIn.getByText('A new one needs the bridge to be open under a name')).toBeVisible();
  const login = new LoginPage(page);
  await login.open('/login');
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.locator('.passkey-said')).toContainText('Passkeys need the bridge to have a name');
});
