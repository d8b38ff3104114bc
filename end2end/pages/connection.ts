import type { Locator, Page } from '@playwright/test';

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

  way(name: 'Web session' | 'JSON-RPC' | 'JSON-2'): Locator {
    return this.ways.filter({ has: this.page.getByRole('rowheader', { name, exact: true }) });
  }

  fact(name: string): Locator {
    return this.page.locator(`dt:text-is("${name}") + dd`);
  }
}
