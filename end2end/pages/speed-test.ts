import type { Locator, Page } from '@playwright/test';

import { DashboardPage } from './page';

/** `/speed-test` */
export class SpeedTestPage extends DashboardPage {
  readonly rows: Locator;
  readonly chart: Locator;

  constructor(page: Page) {
    super(page);
    this.rows = page.getByRole('table').locator('tbody tr');
    this.chart = page.getByRole('figure').getByRole('img');
  }

  card(test: 'Light' | 'Heavy'): Locator {
    return this.page.getByRole('region', { name: `${test} Test` });
  }

  run(test: 'Light' | 'Heavy'): Locator {
    return this.card(test).getByRole('button');
  }

  lastLatency(test: 'Light' | 'Heavy'): Locator {
    return this.card(test).getByText('Last Latency:');
  }

  filter(by: 'test type' | 'status', word: string): Locator {
    return this.page.getByRole('navigation', { name: `Filter by ${by}` }).getByRole('link', { name: word, exact: true });
  }
}
