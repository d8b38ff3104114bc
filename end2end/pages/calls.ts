import type { Locator, Page } from '@playwright/test';

import { DashboardPage } from './page';

/** `/calls` and `/calls/<id>` */
export class CallsPage extends DashboardPage {
  readonly rows: Locator;
  readonly show: Locator;
  readonly live: Locator;
  readonly status: Locator;
  readonly phases: Locator;

  constructor(page: Page) {
    super(page);
    this.rows = page.getByRole('region', { name: 'Calls' }).locator('tbody tr');
    this.show = page.getByRole('button', { name: 'Show' });
    this.live = page.getByRole('button', { name: 'Live' });
    this.status = page.locator('[data-live] [role="status"]');
    this.phases = page.getByRole('region', { name: 'Phases' }).locator('tbody tr');
  }

  link(name: 'Newest' | 'Newer' | 'Older'): Locator {
    return this.page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true });
  }

  /** The request ids on the page, in its order. */
  requests(): Promise<string[]> {
    return this.rows.locator('.request-id').allInnerTexts();
  }
}
