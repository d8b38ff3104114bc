import type { Locator, Page } from '@playwright/test';

import { KEY, KeysPage } from '../pages/keys';
import { expect, test } from '../support/test';

/** More than any page has to tab through. */
const MOST_STOPS = 60;

/** Tabs on until `wanted` has the focus, and sees to it that the focus can be seen there. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
  const isFocused = () => wanted.evaluate((element) => element === document.activeElement);
  for (let stops = 0; !(await isFocused()); stops++) {
    expect(stops, `the keyboard does not reach ${wanted}`).toBeLessThan(MOST_STOPS);
    await page.keyboard.press('Tab');
  }
  const ring = await wanted.evaluate((element) => {
    const style = getComputedStyle(element);
    return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none';
  });
  expect(ring, `the focus is not visible on ${wanted}`).toBe(true);
}

/** Tabs around once more than there are places to stop, and never leaves `dialog`. */
async function expectTrapped(page: Page, dialog: Locator): Promise<void> {
  const places = await dialog.locator('button, input, select, a[href]').count();
  for (const key of ['Tab', 'Shift+Tab']) {
    for (let stops = 0; stops < places + 2; stops++) {
      await page.keyboard.press(key);
      // Between the last and the first the focus is with the browser itself: on no element.
      const inside = await dialog.evaluate(
        (element) => element.contains(document.activeElement) || document.activeElement === document.body,
      );
      expect(inside, `${key} leads out of the dialog`).toBe(true);
    }
  }
}

test('the first stop skips to the content, the next ones are the ways to the other pages', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip to the content' });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport({ ratio: 1 });
  const nav = page.getByRole('navigation', { name: 'Main' });
  for (const name of ['API Keys', 'Integration Guide', 'Speed Test', 'Odoo Connection']) await tabTo(page, nav.getByRole('link', { name }));
  for (const name of ['Theme of the system', 'Light theme', 'Dark theme'] as const) await tabTo(page, keys.theme(name));
  await tabTo(page, page.getByRole('link', { name: /^Account of/ }));
  await tabTo(page, page.getByRole('button', { name: 'Sign out' }));
  await tabTo(page, keys.create);

  await page.reload();
  await keys.hydrated();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(keys.main).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(keys.create).toBeFocused();
});

test('another page is reached, and the focus comes along', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await tabTo(page, page.getByRole('link', { name: 'Integration Guide' }));
  await page.keyboard.press('Enter');
  await expect(keys.heading).toHaveText('API Integration Guide');
  await expect(keys.main).toBeFocused();
  await expect(page).toHaveTitle(/API Integration Guide/);
});

test('a key is created and revoked by the keyboard alone', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');

  await test.step('the dialog takes the focus, keeps it, and gives it back', async () => {
    await tabTo(page, keys.create);
    await page.keyboard.press('Enter');
    await expect(keys.createDialog.getByLabel('Name')).toBeFocused();
    await expectTrapped(page, keys.createDialog);
    await page.keyboard.press('Escape');
    await expect(keys.createDialog).toBeHidden();
    await expect(keys.create).toBeFocused();
  });

  await test.step('create', async () => {
    await page.keyboard.press('Enter');
    await expect(keys.createDialog.getByLabel('Name')).toBeFocused();
    await page.keyboard.type('By keyboard');
    await tabTo(page, keys.createDialog.getByLabel('Expires'));
    await page.keyboard.press('ArrowUp');
    await expect(keys.createDialog.getByLabel('Expires')).toHaveValue('30');
    await tabTo(page, keys.createDialog.getByRole('button', { name: 'Create key' }));
    await page.keyboard.press('Enter');
    await expect(keys.newKeyDialog).toBeVisible();
    await expect(keys.newKey).toHaveText(KEY);
    await expectTrapped(page, keys.newKeyDialog);
    await page.keyboard.press('Escape');
    await expect(keys.newKeyDialog, 'Escape must not lose the key').toBeVisible();
    await tabTo(page, keys.newKeyDialog.getByRole('button', { name: 'Done' }));
    await page.keyboard.press('Enter');
    await expect(keys.newKeyDialog).toBeHidden();
    await expect(keys.announcement).toBeFocused();
    await expect(keys.row('By keyboard')).toContainText('Active');
  });

  await test.step('revoke', async () => {
    const revoke = keys.row('By keyboard').getByRole('button', { name: 'Revoke By keyboard' });
    await tabTo(page, revoke);
    await page.keyboard.press('Enter');
    await expect(keys.revokeDialog).toBeVisible();
    await expect(keys.revokeDialog.locator(':focus')).toHaveCount(1);
    await expectTrapped(page, keys.revokeDialog);
    await page.keyboard.press('Escape');
    await expect(keys.revokeDialog).toBeHidden();
    await expect(revoke).toBeFocused();
    await page.keyboard.press('Enter');
    await tabTo(page, keys.revokeDialog.getByRole('button', { name: 'Revoke key' }));
    await page.keyboard.press('Enter');
    await expect(keys.revokeDialog).toBeHidden();
    await expect(keys.row('By keyboard')).toContainText('Revoked');
    await expect(keys.announcement).toBeFocused();
  });
});
