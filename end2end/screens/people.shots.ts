import { shoot } from '../support/shots';
import { test } from '../support/test';

test('people and what they did', async ({ page }) => {
  await page.goto('/people');
  await page.getByLabel('Email').fill('a-colleague-with-a-long-address@example.com');
  await page.getByRole('button', { name: 'Make the link' }).click();
  await page.getByText('Change', { exact: true }).click();
  await shoot(page, 'people');
  await page.goto('/audit?from=nonsense');
  await shoot(page, 'audit');
  await page.goto('/account/security');
  await page.getByRole('button', { name: 'Set it up' }).click();
  await shoot(page, 'security');
  await page.goto('/confirm');
  await shoot(page, 'confirm');
});
