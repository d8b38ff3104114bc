import { ConnectionPage } from '../pages/connection';
import { KeyPage, KeysPage } from '../pages/keys';
import { makeKey } from '../support/keys';
import { shoot } from '../support/shots';
import { expect, test } from '../support/test';

test('the connection and the calls of a key', async ({ page, request, bridge }) => {
  const secret = await makeKey(page, 'Stock sheet');
  await new KeysPage(page).row('Stock sheet').getByRole('link', { name: 'Stock sheet' }).click();
  const key = new KeyPage(page);
  await expect(key.recent).toContainText('no calls yet');
  await shoot(page, 'key-without-calls');
  for (const model of ['res.partner', 'sale.order', 'no.such.model', 'product.product']) {
    await request.post(`${bridge.origin}/call`, {
      headers: { 'X-API-KEY': secret },
      data: { model, method: 'search_read', args: [[]], kwargs: { limit: 5, fields: ['name'] } },
    });
  }
  await expect(async () => {
    await page.reload();
    await expect(key.recent.locator('tbody tr')).toHaveCount(4, { timeout: 500 });
  }).toPass();
  await key.hydrated();
  await shoot(page, 'key-with-calls');
  const connection = new ConnectionPage(page);
  await connection.open('/connection');
  await shoot(page, 'connection');
});
