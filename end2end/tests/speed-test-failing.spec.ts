import { SpeedTestPage } from '../pages/speed-test';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

// Nobody listens on the port that no service may have.
test.use({
  bridgeSettings: {
    account: true,
    odoo: { url: 'http://127.0.0.1:1', db: 'nowhere', username: 'nobody', secret: 'nothing' },
  },
});

test('a run that failed is kept and says why', async ({ page }) => {
  test.slow();
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  await expect(speed.banner, 'this is no demo').toHaveCount(0);
  for (const [test, count] of [['Light', 1], ['Heavy', 2]] as const) {
    await speed.run(test).click();
    await expect(speed.rows).toHaveCount(count);
    await expect(speed.rows.first()).toContainText(test);
    await expect(speed.rows.first()).toContainText('Failed');
    await expect(speed.rows.first()).toContainText('odoo_unreachable');
    await expect(speed.rows.first()).toContainText("Odoo can't be reached");
    await expect(speed.lastLatency(test)).toHaveText('Last Latency: -- ms');
    await expect(speed.card(test)).toContainText('The last run failed');
    await expect(speed.card(test), 'what to do').toContainText('ODOO_URL');
  }
  // The chart shows them: crosses, and words.
  await expect(speed.chart.first()).toHaveAttribute('aria-label', /1 failed/);
  await expect(page.getByText('Failed, at the time it took to fail')).toBeVisible();

  await page.reload();
  await speed.hydrated();
  await expect(speed.rows).toHaveCount(2);
  await expectFitForAll(page, 'speed test, two failed runs');
});
