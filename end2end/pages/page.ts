import { type Locator, type Page, expect } from '@playwright/test';

/** What all pages have: the frame, and the mark that they react. */
export class DashboardPage {
  readonly heading: Locator;
  readonly banner: Locator;
  readonly main: Locator;
  readonly problem: Locator;

  constructor(readonly page: Page) {
    this.heading = page.getByRole('heading', { level: 1 });
    this.banner = page.getByRole('complementary', { name: 'Demo' });
    this.main = page.getByRole('main');
    this.problem = page.getByRole('alert');
  }

  /** Loads an address and waits until the page reacts. */
  async open(path: string): Promise<void> {
    await this.page.goto(path);
    await this.hydrated();
  }

  /** Waits until the page reacts. */
  async hydrated(): Promise<void> {
    await expect(this.page.locator('html')).toHaveAttribute('data-hydrated', 'true', { timeout: 30_000 });
  }

  theme(name: 'Theme of the system' | 'Light theme' | 'Dark theme'): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }
}
