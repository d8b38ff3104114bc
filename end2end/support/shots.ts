import { join } from 'node:path';

import type { Page } from '@playwright/test';

const FOLDER = join(__dirname, '../screenshots');
const WIDTHS = [360, 1600];

/** Stores the page as it is now: light and dark, narrow and wide, to its very end. */
export async function shoot(page: Page, name: string): Promise<void> {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: join(FOLDER, `${name}-${width}-${colorScheme}.png`), fullPage: true, animations: 'disabled', timeout: 60_000 });
    }
  }
}
