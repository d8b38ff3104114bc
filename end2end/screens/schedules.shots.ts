import { DashboardPage } from '../pages/page';
import { SpeedRunsPage } from '../pages/speed-runs';
import { shoot } from '../support/shots';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'shots of schedules', callsPerSecond: 20 } });

test('schedules and runs over time', async ({ page, quiet }) => {
  test.slow();
  // The stream is cut when the page is left.
  quiet.expect(/\/live.*net::ERR_ABORTED/);
  const schedules = new DashboardPage(page);
  await page.goto('/speed-test/schedules');
  await expect(schedules.heading).toHaveText('Speed test schedules');
  await shoot(page, 'schedules-none');
  const form = page.getByRole('form', { name: 'New schedule' });
  await form.getByLabel('Name').fill('Nights');
  await form.getByLabel('Samples of each way').fill('1');
  await form.getByRole('button', { name: 'Make the schedule' }).click();
  const own = page.getByRole('region', { name: 'Nights' });
  await own.getByText('Add an alert rule').click();
  await own.getByLabel('p95 is above').fill('250');
  await own.getByRole('button', { name: 'Add the rule' }).click();
  await expect(own).toContainText('Tell when p95');
  await shoot(page, 'schedules');

  const runs = new SpeedRunsPage(page);
  for (const samples of ['2', '3', '4']) {
    await page.goto('/speed-test/runs');
    await runs.samples.fill(samples);
    await runs.start.click();
    const all = 3 * Number(samples);
    await expect(runs.state).toContainText(`${all} of ${all} samples`, { timeout: 60_000 });
  }
  await page.goto('/speed-test/runs');
  await page.getByLabel('Threshold of p95, in ms').fill('0.5');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.getByRole('img', { name: /p95 and p50 over time/ }).first()).toBeVisible();
  await shoot(page, 'runs-over-time');
  await runs.samples.fill('100');
  await runs.start.click();
  await expect(page.getByRole('region', { name: 'Progress' })).toContainText(/\d+ of 300/);
  await shoot(page, 'speed-run-running');
  await runs.cancel.click();
  await expect(runs.state).toContainText('Cancelled', { timeout: 15_000 });
  await shoot(page, 'speed-run-cancelled');
});
