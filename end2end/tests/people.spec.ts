import { expectFitForAll, expectNoOverflow } from '../support/look';
import { expect, test } from '../support/test';
import { earlyInAStep, totp } from '../support/totp';

const EMAIL = 'viewer@example.com';
const PASSWORD = 'a walk along the river';

test('somebody is invited, joins as a viewer, and signs in with a second factor', async ({ page, newContext }) => {
  test.slow();
  await page.goto('/keys');
  await expect(page.getByRole('button', { name: 'Create key' })).toBeVisible();
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'People' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('People');
  await page.getByLabel('Email').fill(EMAIL);
  await page.getByRole('combobox', { name: 'Role' }).last().selectOption('viewer');
  await page.getByRole('button', { name: 'Make the link' }).click();
  await expect(page.getByText('The invitation is made.')).toBeVisible();
  const link = await page.locator('#invitation-link').innerText();
  await expectFitForAll(page, 'people');

  const context = await newContext();
  const guest = await context.newPage();
  await guest.goto(link);
  await expect(guest.getByText('You are invited as viewer')).toBeVisible();
  await expectFitForAll(guest, 'join');
  await guest.getByLabel('Password').fill(PASSWORD);
  await guest.getByRole('button', { name: 'Make the account' }).click();
  await expect(guest.getByRole('heading', { level: 1 })).toHaveText('API Access Keys');
  await expect(guest.getByRole('button', { name: 'Create key' })).toBeHidden();
  await expect(guest.getByRole('link', { name: 'People' })).toBeHidden();

  await guest.goto('/account');
  await guest.getByRole('link', { name: 'Passkeys, second factor, sessions' }).click();
  await guest.getByRole('button', { name: 'Set it up' }).click();
  await expectFitForAll(guest, 'set-up of the second factor');
  const secret = await guest.locator('#totp-secret').innerText();
  // The one before, so that there is another to sign in with.
  await earlyInAStep();
  await guest.getByLabel('The code that it shows now').fill(totp(secret, -1));
  await guest.getByRole('button', { name: 'Turn it on' }).click();
  await expect(guest.getByText('The second factor is on.')).toBeVisible();
  await expect(guest.locator('.recovery-codes li')).toHaveCount(10);
  await expectFitForAll(guest, 'recovery codes');

  await guest.getByRole('button', { name: 'Sign out' }).click();
  await guest.getByLabel('Email').fill(EMAIL);
  await guest.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await guest.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(guest.getByRole('heading', { level: 1 })).toHaveText('Second factor');
  await guest.getByLabel('Code').fill('000000');
  await guest.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(guest.getByRole('alert')).toContainText('The code is wrong');
  await expectFitForAll(guest, 'a wrong code');
  await guest.getByLabel('Code').fill(totp(secret));
  await guest.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(guest).toHaveURL(/\/keys$/);

  await page.goto('/audit');
  await expect(page.getByRole('row', { name: /viewer@example\.com/ }).first()).toBeVisible();
  await page.getByLabel('What was done').selectOption({ label: 'turned the second factor on' });
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.locator('tbody tr')).toHaveCount(1);
  await page.getByRole('button', { name: 'Check the chain' }).click();
  await expect(page.getByText('The chain is whole')).toBeVisible();
  await expectFitForAll(page, 'audit log');

  await page.goto('/people');
  const row = page.getByRole('row', { name: new RegExp(EMAIL) });
  await row.getByText('Change', { exact: true }).click();
  await expectNoOverflow(page, 'changing a person');
  await row.getByRole('button', { name: 'Remove the account' }).click();
  await expect(page.getByText(`${EMAIL} is removed`)).toBeVisible();
  await guest.goto('/keys');
  await expect(guest).toHaveURL(/\/login/);
});

test('people, sessions and the audit log need no JavaScript', async ({ newContext, session }) => {
  const page = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
  for (const [path, title] of [
    ['/people', 'People'],
    ['/audit', 'Audit log'],
    ['/account/security', 'Sign-in and sessions'],
    ['/confirm', 'Confirm your password'],
  ]) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
    await expectNoOverflow(page, path);
  }
  await page.goto('/audit?from=nonsense&action=signed_in');
  await expect(page.getByRole('alert')).toContainText('From: write a day');
  await expect(page.locator('tbody tr').first()).toContainText('signed in');
});
