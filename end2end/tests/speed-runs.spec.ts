import { SpeedRunsPage } from '../pages/speed-runs';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

// Slow enough that a run of 300 samples is still going on when somebody cancels it.
test.use({ bridgeSettings: { account: true, alone: 'speed-runs', callsPerSecond: 20 } });

// What the server printed is looked at: nothing on these pages needs the browser's half.
test('a run tells its duration before, is done, and is fit for all', async ({ page }) => {
  test.slow();
  await page.route('**/pkg/odoo-bridge.js*', (route) =>
    route.fulfill({ contentType: 'text/javascript', body: 'export default ({ module_or_path }) => fetch(module_or_path); export const hydrate = () => {};' }),
  );
  const runs = new SpeedRunsPage(page);
  await page.goto('/speed-test/runs');
  await expect(runs.heading).toHaveText('Speed test runs');
  await expect(runs.expected).toContainText('This takes about');
  await expectFitForAll(page, 'speed runs');

  await runs.samples.fill('3');
  await runs.howLong.click();
  await expect(page).toHaveURL(/samples=3/);
  await expect(runs.samples, 'the form stays as it was').toHaveValue('3');
  await runs.start.click();
  await expect(runs.state).toContainText('9 of 9 samples', { timeout: 30_000 });
  await expect(runs.statistics).toHaveCount(3);
  await expect(runs.statistics.first()).toContainText(/Web session.*\d ms.*0 of 3/s);
  await expect(runs.bars).toHaveCount(3);
  await page.getByText('All 9 samples').click();
  await expect(page.getByRole('region', { name: 'Samples' }).locator('tbody tr')).toHaveCount(9);
  await expectFitForAll(page, 'a speed run');

  await page.getByRole('link', { name: 'All runs' }).click();
  await expect(runs.rows.first()).toContainText(/Light, warm.*Web session.*\d ms/s);
  await expectFitForAll(page, 'speed runs, one at least');
});

test('a run shows how far it is, and is cancelled, without JavaScript', async ({ newContext, session }) => {
  const page = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
  await page.goto('/speed-test/runs');
  const runs = new SpeedRunsPage(page);
  await page.getByLabel('Test').first().selectOption('heavy');
  await page.getByLabel('Start', { exact: true }).first().selectOption('cold');
  await runs.samples.fill('100');
  await runs.start.click();
  await expect(page.getByText(/^\d+ of 300/)).toBeVisible();
  await runs.cancel.click();
  await expect(runs.state).toContainText('Cancelled', { timeout: 15_000 });
  await expect(runs.state).toContainText(/\d+ of 300 samples\. By /);
});
