import { CallsPage } from '../pages/calls';
import { SpeedRunsPage } from '../pages/speed-runs';
import { makeKey } from '../support/keys';
import { shoot } from '../support/shots';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'shots of calls' } });

test('calls, one call, and the pages of the codes', async ({ page, request, bridge }) => {
  const calls = new CallsPage(page);
  await calls.open('/calls');
  await shoot(page, 'calls-none');

  const key = await makeKey(page, 'Nightly export to the warehouse of all that was sold');
  const call = (id: string, model: string, method: string, args: unknown[]) =>
    request.post(`${bridge.origin}/call`, { headers: { 'X-API-KEY': key, 'X-Request-Id': id }, data: { model, method, args } });
  for (const number of [...Array(60).keys()]) {
    await call(`order-${number}`, 'sale.order', number % 3 === 0 ? 'search_count' : 'search_read', [[]]);
  }
  await call('an-old-name', 'account.invoice', 'read', [[1]]);
  await call('a-record-that-is-gone', 'res.partner', 'write', [[999_999], { name: 'Nobody' }]);
  await calls.open('/calls');
  await expect(async () => {
    await page.reload();
    await expect(calls.rows.first()).toContainText('a-record-that-is-gone', { timeout: 500 });
  }).toPass();
  await shoot(page, 'calls');
  await calls.link('Older').click();
  await expect(calls.link('Newer')).toBeVisible();
  await shoot(page, 'calls-older');
  await page.goto('/calls?model=not%20a%20model&slower=quick&reason=none&from=yesterday');
  await expect(page.getByRole('alert')).toHaveCount(4);
  await shoot(page, 'calls-nonsense');
  await page.goto('/calls?reason=unknown_model');
  await expect(calls.rows).toHaveCount(1);
  await shoot(page, 'calls-by-reason');
  await page.goto('/calls/an-old-name');
  await expect(calls.main).toContainText('account.move');
  await shoot(page, 'call-failed');
  await page.goto('/calls/order-1');
  await expect(calls.phases).toHaveCount(6);
  await shoot(page, 'call');

  await page.goto('/guide/errors');
  await expect(calls.heading).toHaveText('Error codes');
  await shoot(page, 'errors');
  for (const code of ['odoo_not_found', 'aborted']) {
    await page.goto(`/guide/errors/${code}`);
    await expect(calls.heading).toHaveText(code);
    await shoot(page, `error-${code}`);
  }
});

test('speed runs', async ({ page }) => {
  const runs = new SpeedRunsPage(page);
  await page.goto('/speed-test/runs');
  await expect(runs.heading).toHaveText('Speed test runs');
  await shoot(page, 'speed-runs-none');
  for (const samples of ['3', '5']) {
    await page.goto('/speed-test/runs');
    await runs.samples.fill(samples);
    await runs.start.click();
    const all = 3 * Number(samples);
    await expect(runs.state).toContainText(`${all} of ${all} samples`, { timeout: 60_000 });
  }
  await page.getByText('All 15 samples').click();
  await shoot(page, 'speed-run');
  await page.getByRole('link', { name: 'All runs' }).click();
  await expect(runs.rows).toHaveCount(6);
  await shoot(page, 'speed-runs');
});
