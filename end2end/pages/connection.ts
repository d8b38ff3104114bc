import { type Locator, type Page, expect } from '@playwright/test';

import { DashboardPage } from './page';

/** `/connection` */
export class ConnectionPage extends DashboardPage {
  readonly ways: Locator;
  readonly refresh: Locator;
  readonly refusal: Locator;
  /** On every page: what Odoo refuses. */
  readonly alarm: Locator;

  constructor(page: Page) {
    super(page);
    this.ways = page.getByRole('region', { name: 'Ways into Odoo' }).locator('tbody tr');
    this.refresh = page.getByRole('link', { name: 'Refresh' });
    this.refusal = page.locator('.refusal');
    this.alarm = page.locator('.alarm');
  }

  /** Loads the page until it shows what the start's probe finds: that Odoo refuses. */
  async openRefused(): Promise<void> {
    await expect(async () => {
      await this.page.goto('/connection');
      await expect(this.refusal).toHaveCount(1, { timeout: 500 });
    }).toPass();
    await this.hydrated();
  }

  way(name: 'Web session' | 'JSON-RPC' | 'JSON-2'): Locator {
    return this.ways.filter({ has: this.page.getByRole('rowheader', { name, exact: true }) });
  }

  fact(name: string): Locator {
    return this.page.locator(`dt:text-is("${name}") + dd`);
  }
}
