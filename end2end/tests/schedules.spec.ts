import { DashboardPage } from '../pages/page';
import { SpeedRunsPage } from '../pages/speed-runs';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

// At a pace, or a run of the demo Odoo would be over before anybody could follow it.
test.use({ bridgeSettings: { account: true, alone: 'schedules', callsPerSecond: 20 } });

test('a run is followed without loading the page again, and is cancelled meanwhile', async ({ page, quiet }) => {
  // The stream is cut when the page is left or loaded again.
  quiet.expect(/\/live.*net::ERR_ABORTED/);
  const runs = new SpeedRunsPage(page);
  await page.goto('/speed-test/runs');
  await page.getByLabel('Start', { exact: true }).first().selectOption('cold');
  await runs.samples.fill('100');
  await runs.start.click();
  const progress = page.getByRole('region', { name: 'Progress' });
  await expect(progress).toContainText(/\d+ of 300/);
  // What a new document would not have.
  await page.evaluate(() => document.body.setAttribute('data-same', 'yes'));
  const before = await page.locator('progress').getAttribute('value');
  await expect.poll(() => page.locator('progress').getAttribute('value')).not.toBe(before);
  await expect(page.locator('body')).toHaveAttribute('data-same', 'yes');
  await expectFitForAll(page, 'a run that goes on');
  await runs.cancel.click();
  await expect(runs.state).toContainText('Cancelled', { timeout: 15_000 });
});

test('a schedule is made, runs, is paused and removed, with a rule', async ({ page }) => {
  test.slow();
  const schedules = new DashboardPage(page);
  await page.goto('/speed-test/schedules');
  await expect(schedules.heading).toHaveText('Speed test schedules');
  const form = page.getByRole('form', { name: 'New schedule' });
  await form.getByLabel('Name').fill('Nights');
  await form.getByLabel('Samples of each way').fill('1');
  await form.getByRole('button', { name: 'Make the schedule' }).click();
  const own = page.getByRole('region', { name: 'Nights' });
  await expect(own).toContainText('Light, warm, 1 sample');
  await own.getByText('Add an alert rule').click();
  await own.getByLabel('p95 is above').fill('250');
  await own.getByRole('button', { name: 'Add the rule' }).click();
  await expect(own).toContainText('Tell when p95 of the last 3 runs is above 250.0 ms.');
  await expectFitForAll(page, 'schedules');
  await own.getByRole('button', { name: 'Pause: Nights' }).click();
  await expect(own).toContainText('Paused');
  await own.getByRole('link', { name: 'Its runs over time' }).click();
  await expect(page).toHaveURL(/schedule=/);
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole('region', { name: 'Runs' })).toContainText('schedule: Nights', { timeout: 500 });
  }).toPass();
  await page.getByLabel('p95 above, in ms').fill('0.5');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.getByRole('img', { name: /p95 and p50 over time/ }).first()).toBeVisible();
  await page.getByText('The same as a table').click();
  await expect(page.getByRole('region', { name: 'The chart as a table' })).toContainText('above');
  await expectFitForAll(page, 'runs over time');
  await page.goto('/speed-test/schedules');
  await own.getByRole('button', { name: 'Remove: Nights' }).click();
  await expect(page.getByText('There is no schedule yet.')).toBeVisible();
});

test('a channel is added, its key is shown once, a test says why it does not arrive', async ({ page }) => {
  await page.goto('/speed-test/channels');
  await page.getByLabel('Name').fill('Team');
  await page.getByLabel(/^Address/).fill('http://127.0.0.1:9/hook');
  await page.getByRole('button', { name: 'Add the channel' }).click();
  await expect(page.locator('#webhook-key')).toHaveText(/^[A-Za-z0-9+/]{43}=$/);
  await expectFitForAll(page, 'alert channels');
  await page.getByRole('button', { name: 'Send a test to Team' }).click();
  await expect(page.getByRole('alert')).toContainText('The test did not arrive: no connection');
  await expect(page.locator('#webhook-key')).toHaveCount(0);
  await page.getByRole('button', { name: 'Remove Team' }).click();
  await expect(page.getByText('There is no channel')).toBeVisible();
});
