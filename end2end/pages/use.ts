import type { Locator, Page } from '@playwright/test';

import { DashboardPage } from './page';

/** `/use` */
export class UsePage extends DashboardPage {
  readonly show: Locator;
  readonly charts: Locator;
  readonly keys: Locator;
  readonly models: Locator;

  constructor(page: Page) {
    super(page);
    this.show = page.getByRole('button', { name: 'Show' });
    this.charts = this.main.getByRole('img');
    this.keys = page.getByRole('region', { name: 'Keys with the most calls' }).locator('tbody tr');
    this.models = page.getByRole('region', { name: 'Models with the most calls' }).locator('tbody tr');
  }

  range(name: 'Hour' | 'Day' | 'Week' | 'Month'): Locator {
    return this.page.getByRole('navigation', { name: 'Time' }).getByRole('link', { name, exact: true });
  }

  figure(name: string): Locator {
    return this.page.locator('#figures > div').filter({ hasText: name }).getByRole('definition').first();
  }
}
