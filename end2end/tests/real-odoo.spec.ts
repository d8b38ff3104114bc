import { KEY, KeysPage } from '../pages/keys';
import { SpeedTestPage } from '../pages/speed-test';
import { realOdoo } from '../support/bridge';
import { runShell } from '../support/snippets';
import { expect, test } from '../support/test';

const odoo = realOdoo();
test.use({ bridgeSettings: { account: true, odoo } });
// On a developer's machine there may be none; where everything is tested, its absence is a failure.
if (process.env.CI && !odoo) throw new Error('the real Odoo is missing: scripts/odoo.sh start');
test.skip(!odoo, 'TEST_ODOO_URL, TEST_ODOO_DB, TEST_ODOO_USERNAME and TEST_ODOO_API_KEY name no Odoo');

test('with a real Odoo there is no banner, and a new key reads five of its orders by curl', async ({ page, bridge }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await expect(keys.banner).toHaveCount(0);
  const key = await keys.createKey('Real Odoo');
  expect(key).toMatch(KEY);
  await keys.done();

  const curl = `curl -X POST https://your-domain.com/call \\
  -H "Content-Type: application/json" \\
  -H "X-API-KEY: YOUR_API_KEY" \\
  -d '{
    "model": "sale.order",
    "method": "search_read",
    "args": [[]],
    "kwargs": { "limit": 5, "fields": ["name"] }
  }'`;
  const answer = JSON.parse(await runShell(curl.replace('https://your-domain.com', bridge.origin).replace('YOUR_API_KEY', key)));
  expect(answer).toMatchObject({ success: true });
  expect(answer.data).toHaveLength(5);
  for (const order of answer.data) expect(order).toEqual({ id: expect.any(Number), name: expect.stringMatching(/^S\d+$/) });
});

test('both speed tests measure the real Odoo', async ({ page }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  await speed.run('Light').click();
  await expect(speed.rows).toHaveCount(1, { timeout: 30_000 });
  await expect(speed.rows.first()).toContainText(/Light.*Succeeded.*Odoo 19/s);
  await speed.run('Heavy').click();
  await expect(speed.rows).toHaveCount(2, { timeout: 30_000 });
  await expect(speed.rows.first()).toContainText(/Heavy.*Succeeded.*25 sales orders/s);
});
