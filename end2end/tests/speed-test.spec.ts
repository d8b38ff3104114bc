import { SpeedTestPage } from '../pages/speed-test';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'speed-test' } });

test('both tests run, and their runs are kept, newest first', async ({ page }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  await expect(page.getByRole('heading', { name: 'No runs yet' })).toBeVisible();
  await expect(speed.lastLatency('Light')).toHaveText('Last Latency: -- ms');
  await expect(speed.lastLatency('Heavy')).toHaveText('Last Latency: -- ms');
  await expect(speed.chart).toHaveCount(0);

  await speed.run('Light').click();
  await expect(speed.lastLatency('Light')).toHaveText(/^Last Latency: \d[\d.,]* m?s$/);
  await expect(speed.lastLatency('Heavy')).toHaveText('Last Latency: -- ms');
  await expect(speed.rows).toHaveCount(1);
  await expect(speed.rows.first()).toContainText(/Light.*Succeeded.*Odoo/s);
  await expect(speed.chart.first()).toBeVisible();

  await speed.run('Heavy').click();
  await expect(speed.rows).toHaveCount(2);
  await expect(speed.rows.first()).toContainText('Heavy');
  await expect(speed.rows.first()).toContainText('25 sales orders');
  await expect(speed.lastLatency('Heavy')).toHaveText(/^Last Latency: \d/);
  for (const part of ['Authenticate', 'Query']) {
    await expect(speed.card('Heavy').locator('dl div', { hasText: part }).locator('dd')).toHaveText(/^\d[\d.,]* m?s$/);
  }
  await expect(speed.chart.first()).toHaveAttribute('aria-label', /Light: 1 run.*Heavy: 1 run/);
  await expect(page.getByText('2 runs, newest first.')).toBeVisible();

  await page.reload();
  await speed.hydrated();
  await expect(speed.rows).toHaveCount(2);
});

test('the button says that a test runs, and rests meanwhile', async ({ page }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  let go = () => {};
  const held = new Promise<void>((done) => (go = done));
  await page.route('**/api/run_speed_test', async (route) => {
    await held;
    await route.continue();
  });
  await speed.run('Heavy').click();
  await expect(speed.run('Heavy')).toHaveText('Running…');
  await expect(speed.run('Heavy')).toHaveAttribute('aria-busy', 'true');
  await expect(speed.run('Heavy')).toBeDisabled();
  await expect(speed.run('Light')).toBeDisabled();
  await expect(page.getByRole('progressbar', { name: 'The test is running' })).toBeVisible();
  go();
  await expect(speed.run('Heavy')).toHaveText('Run Heavy Test');
  await expect(speed.run('Light')).toBeEnabled();
});

test('the history is filtered by type and status, in the address', async ({ page }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  await speed.run('Light').click();
  await expect(speed.run('Light')).toBeEnabled();
  await expect(speed.rows.first()).toContainText('Light');
  await speed.filter('test type', 'Heavy').click();
  await expect(page).toHaveURL('/speed-test?type=heavy');
  await expect(speed.rows.filter({ hasText: 'Light' })).toHaveCount(0);
  await expect(speed.rows.first()).toContainText('Heavy');
  await page.reload();
  await speed.hydrated();
  await expect(speed.filter('test type', 'Heavy')).toHaveAttribute('aria-current', 'true');
  await speed.filter('status', 'Failed').click();
  await expect(page).toHaveURL(/status=failed/);
  await expect(page.getByRole('heading', { name: 'No such run' })).toBeVisible();
});

test('more runs than one page are paged', async ({ page }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  const run = () =>
    page.evaluate(async () => {
      const answer = await fetch('/api/run_speed_test', { method: 'POST', body: new URLSearchParams({ test_type: 'light' }) });
      await answer.text();
      return answer.status;
    });
  for (let count = 0; count < 30; count++) expect(await run()).toBe(200);
  await page.reload();
  await speed.hydrated();
  const pages = page.getByRole('navigation', { name: 'Pages' });
  await expect(pages).toContainText(/Page 1 of \d/);
  const newest = await speed.rows.first().getByRole('time').getAttribute('datetime');
  await pages.getByRole('link', { name: 'Next' }).click();
  await expect(page).toHaveURL('/speed-test?page=2');
  await expect(pages).toContainText(/Page 2 of \d/);
  const older = await speed.rows.first().getByRole('time').getAttribute('datetime');
  expect(Date.parse(older ?? '')).toBeLessThan(Date.parse(newest ?? ''));
});
