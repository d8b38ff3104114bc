import type { Page } from '@playwright/test';

import { CallsPage } from '../pages/calls';
import { UsePage } from '../pages/use';
import { makeKey } from '../support/keys';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'million' } });

const MILLION = 1_000_000;
/** How long the server may take for a page, on a machine that does other things too. */
const PAGE_MS = 3_000;

/** A million calls of 20 hours: 20 keys, 40 models, 2.5 % failures, a few slow ones. */
const RECORDS = [
  "SELECT call_records_make_day((now() AT TIME ZONE 'utc')::date - day) FROM generate_series(0, 1) day",
  `INSERT INTO api_keys (id, name, public_id, hash)
   SELECT gen_random_uuid(), 'Seeded ' || n, 's' || lpad(n::text, 7, '0'), sha256(n::text::bytea) FROM generate_series(1, 20) n`,
  `INSERT INTO call_records (called_at, id, api_key_id, model, method, code, way, duration_ms, odoo_ms, queue_ms, policy_ms,
      answer_bytes, request_id)
   SELECT now() - interval '1 minute' - n * interval '72 milliseconds', gen_random_uuid(), keys.ids[1 + n % 20], 'model.' || n % 40,
      (ARRAY['search_read', 'read', 'write', 'create'])[1 + n % 4],
      CASE WHEN n % 50 = 0 THEN 'odoo_rejected' WHEN n % 200 = 1 THEN 'policy_denied' ELSE 'ok' END,
      CASE WHEN n % 200 = 1 THEN NULL ELSE 'web' END, 5 + 3000 / (1 + n % 997), 4 + 3000 / (1 + n % 997), 0.1, 0.1, 700, 'seeded-' || n
   FROM generate_series(1, ${MILLION}) n, (SELECT array_agg(id) AS ids FROM api_keys WHERE name LIKE 'Seeded %') keys`,
  'ANALYZE call_records',
];
/** The same, counted: what the calls of this test were counted as, once for each minute of a day. */
const COUNTS = [
  "SELECT traffic_make_parts((now() AT TIME ZONE 'utc')::date - day) FROM generate_series(0, 1) day",
  `INSERT INTO traffic (level, at, scope, subject, calls, failures, bytes, codes, took, odoo)
   SELECT counted.level, at.at, scope, subject, ceil(${MILLION} / 1430.0), 14, bytes, '{"odoo_rejected": 14}', took, odoo
   FROM (SELECT DISTINCT ON (scope, subject) * FROM traffic WHERE level = 0 ORDER BY scope, subject, calls DESC) counted,
      generate_series(date_trunc('minute', now() - interval '1430 minutes'), now() - interval '1 minute', interval '1 minute') at
   ON CONFLICT DO NOTHING`,
];

/** Milliseconds that the server took for the page, as the browser saw it. */
function serverTook(page: Page): Promise<number> {
  return page.evaluate(() => {
    const [load] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    return load.responseStart - load.requestStart;
  });
}

test('among a million calls some are found, paged through, followed and drawn', async ({ page, request, bridge, quiet }) => {
  // That is how a browser calls a live list that is switched off.
  quiet.expect(/GET .*\/calls\/live.* net::ERR_ABORTED/);
  test.setTimeout(300_000);
  const [calls, use] = [new CallsPage(page), new UsePage(page)];
  const key = await makeKey(page, 'Stock sheet');
  const call = (id: string) =>
    request.post(`${bridge.origin}/call`, {
      headers: { 'X-API-KEY': key, 'X-Request-Id': id },
      data: { model: 'res.partner', method: 'search_count', args: [[]] },
    });
  for (let number = 0; number < 20; number += 1) await call(`own-${number}`);
  await expect(async () => {
    await page.goto('/use');
    await expect(use.figure('Calls')).toHaveText('20', { timeout: 500 });
  }).toPass();
  bridge.sql(...RECORDS, ...COUNTS);

  await page.goto('/calls');
  await expect(calls.rows).toHaveCount(50);
  await expect(calls.rows.first()).toContainText('own-19');
  expect(await serverTook(page), 'the newest calls').toBeLessThan(PAGE_MS);
  await expectFitForAll(page, 'a million calls');
  const seen = new Set(await calls.requests());
  for (let number = 2; number <= 5; number += 1) {
    await calls.link('Older').click();
    await expect(page).toHaveURL(/before=/);
    await expect(calls.rows).toHaveCount(50);
    expect(await serverTook(page), `page ${number}`).toBeLessThan(PAGE_MS);
    const ids = await calls.requests();
    expect(ids.filter((id) => seen.has(id)), 'no call is on two pages').toEqual([]);
    for (const id of ids) seen.add(id);
  }
  expect(seen.size).toBe(250);

  const filters: [string, RegExp][] = [
    ['model=model.7', /model\.7/],
    ['method=write', /write/],
    ['code=failed', /odoo_rejected|policy_denied/],
    ['code=policy_denied&model=model.1', /policy_denied/],
    ['slower=2000', /\d s|[23],?\d{3}/],
    ['key=Seeded 7', /Seeded 7/],
  ];
  for (const [query, wanted] of filters) {
    await page.goto(`/calls?${query}`);
    await expect(calls.rows, query).toHaveCount(50);
    expect(await serverTook(page), query).toBeLessThan(PAGE_MS);
    for (const row of await calls.rows.allInnerTexts()) expect(row, query).toMatch(wanted);
  }
  // Far back, and nothing newer.
  const until = new Date(Date.now() - 15 * 3_600_000).toISOString().slice(0, 16);
  await page.goto(`/calls?to=${encodeURIComponent(until)}`);
  await expect(calls.rows).toHaveCount(50);
  expect(await serverTook(page), 'far back').toBeLessThan(PAGE_MS);
  await calls.rows.getByRole('rowheader').getByRole('link').first().click();
  await expect(calls.heading).toHaveText('Call');
  await expectFitForAll(page, 'one of a million calls');

  await page.goto('/calls?method=search_count');
  await expect(calls.rows).toHaveCount(20);
  await calls.live.click();
  await expect(calls.status).toHaveText('Live');
  await call('followed');
  await expect(calls.rows.first()).toContainText('followed');
  await calls.live.click();

  await page.goto('/use?range=day');
  expect(await serverTook(page), 'use').toBeLessThan(PAGE_MS);
  // The day begins with a whole step of the chart, so that some of the first minutes may be left out.
  const counted = Number((await use.figure('Calls').innerText()).replace(/\D/g, ''));
  expect(counted).toBeGreaterThan(0.95 * MILLION);
  expect(counted).toBeLessThan(1.05 * MILLION);
  await expect(use.charts).toHaveCount(3);
  await expectFitForAll(page, 'use of a million calls');
});
