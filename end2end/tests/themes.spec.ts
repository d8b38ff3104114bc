import type { Page } from '@playwright/test';

import { DashboardPage } from '../pages/page';
import { expect, test } from '../support/test';

const background = (page: DashboardPage) =>
  page.page.evaluate(() => getComputedStyle(document.body).backgroundColor);

/** The choice that the browser keeps. */
const kept = async (page: Page) => (await page.context().cookies()).find((cookie) => cookie.name === 'theme')?.value;

/** From 0, black, to 255, white. */
const brightness = (color: string) => {
  const parts = (color.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
  return parts.reduce((sum, part) => sum + part, 0) / parts.length;
};

test('the theme is the one of the system until the reader chooses', async ({ page }) => {
  const dashboard = new DashboardPage(page);
  await page.emulateMedia({ colorScheme: 'light' });
  await dashboard.open('/keys');
  await expect(page.locator('html')).not.toHaveAttribute('data-theme');
  await expect(dashboard.theme('Theme of the system')).toHaveAttribute('aria-pressed', 'true');
  await expect.poll(async () => brightness(await background(dashboard))).toBeGreaterThan(200);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expect.poll(async () => brightness(await background(dashboard))).toBeLessThan(60);
});

for (const [choice, system] of [['dark', 'light'], ['light', 'dark']] as const) {
  test(`the ${choice} theme stays on a ${system} system, from the first byte of every page`, async ({ page }) => {
    const dashboard = new DashboardPage(page);
    // What the system would look like if it were set that way.
    await page.emulateMedia({ colorScheme: choice });
    await dashboard.open('/keys');
    const wanted = await background(dashboard);

    await page.emulateMedia({ colorScheme: system });
    await dashboard.theme(choice === 'dark' ? 'Dark theme' : 'Light theme').click();
    await expect(page.locator('html')).toHaveAttribute('data-theme', choice);
    await expect.poll(() => background(dashboard)).toBe(wanted);
    await expect.poll(() => kept(page)).toBe(choice);

    for (const path of ['/keys', '/guide', '/speed-test', '/account']) {
      const answer = await page.goto(path);
      expect(await answer?.text(), 'no flash: the document comes with it').toMatch(new RegExp(`<html[^>]* data-theme="${choice}"`));
      await dashboard.hydrated();
      await expect(page.locator('html')).toHaveAttribute('data-theme', choice);
      expect(await background(dashboard)).toBe(wanted);
    }

    await dashboard.theme('Theme of the system').click();
    await expect(page.locator('html')).not.toHaveAttribute('data-theme');
    await expect.poll(() => kept(page)).toBeUndefined();
    await page.reload();
    await dashboard.hydrated();
    await expect(page.locator('html')).not.toHaveAttribute('data-theme');
  });
}
