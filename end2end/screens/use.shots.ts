import { UsePage } from '../pages/use';
import { makeKey } from '../support/keys';
import { shoot } from '../support/shots';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'shots of use' } });

/** What was counted of the calls so far, as if the last day had been like that: busy at noon, with a gap. */
const A_DAY = `INSERT INTO traffic (level, at, scope, subject, calls, failures, bytes, codes, took, odoo)
  SELECT counted.level, at.at, scope, subject, greatest(counted.calls, ceil(counted.calls * busy.share)),
     CASE WHEN extract(minute FROM at.at) < 40 THEN counted.failures ELSE 0 END, bytes,
     CASE WHEN extract(minute FROM at.at) < 40 THEN codes ELSE '{}' END, took, odoo
  FROM (SELECT DISTINCT ON (scope, subject) * FROM traffic WHERE level = 0 ORDER BY scope, subject, calls DESC) counted,
     generate_series(date_trunc('minute', now() - interval '1430 minutes'), now() - interval '1 minute', interval '1 minute') at,
     LATERAL (SELECT 1 + 12 * sin(pi() * extract(epoch FROM at.at) / 86400)::numeric ^ 2 AS share) busy
  WHERE extract(hour FROM at.at) <> 3
  ON CONFLICT DO NOTHING`;

test('use', async ({ page, request, bridge }) => {
  const use = new UsePage(page);
  await use.open('/use');
  await shoot(page, 'use-none');

  const keys = [];
  for (const name of ['Stock sheet', 'Nightly export to the warehouse of all that was sold', 'Web shop']) keys.push(await makeKey(page, name));
  const models = ['res.partner', 'sale.order', 'product.product', 'no.such.model', 'sale.order', 'res.partner'];
  for (let number = 0; number < 36; number += 1) {
    await request.post(`${bridge.origin}/call`, {
      headers: { 'X-API-KEY': keys[number % 3 === 0 ? 0 : number % 2] },
      data: { model: models[number % models.length], method: 'search_read', args: [[]], kwargs: { limit: 1, fields: ['name'] } },
    });
  }
  await expect(async () => {
    await page.goto('/use');
    await expect(use.figure('Calls')).toHaveText('36', { timeout: 500 });
  }).toPass();
  bridge.sql("SELECT traffic_make_parts((now() AT TIME ZONE 'utc')::date - 1)", A_DAY);
  await page.goto('/use');
  await expect(use.charts).toHaveCount(3);
  await shoot(page, 'use');
  await page.getByText('Calls, as a table').click();
  await shoot(page, 'use-as-a-table');
  await page.goto('/use');
  await use.keys.getByRole('link', { name: 'Stock sheet' }).click();
  await expect(use.heading).toHaveText('Use of the key Stock sheet');
  await shoot(page, 'use-of-a-key');
  await page.goto('/use?range=week&until=yesterday&key=nobody');
  await expect(page.getByRole('alert')).toHaveCount(2);
  await shoot(page, 'use-nonsense');
});
