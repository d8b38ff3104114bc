import type { Locator, Page } from '@playwright/test';

import { DashboardPage } from './page';

/** `/speed-test/runs` and the page of a run. */
export class SpeedRunsPage extends DashboardPage {
  readonly samples: Locator;
  readonly start: Locator;
  readonly howLong: Locator;
  readonly expected: Locator;
  readonly rows: Locator;
  readonly cancel: Locator;
  readonly state: Locator;
  readonly statistics: Locator;
  readonly bars: Locator;

  constructor(page: Page) {
    super(page);
    this.samples = page.getByLabel('Samples of each way');
    this.start = page.getByRole('button', { name: 'Start the run' });
    this.howLong = page.getByRole('button', { name: 'How long would it take?' });
    this.expected = page.locator('#expected');
    this.rows = page.getByRole('region', { name: 'Runs' }).locator('tbody tr');
    this.cancel = page.getByRole('button', { name: 'Cancel' });
    this.state = page.locator('.speed-state');
    this.statistics = page.getByRole('region', { name: 'Statistics' }).locator('tbody tr');
    this.bars = page.getByRole('img', { name: /on average: Connect and TLS/ });
  }
}
