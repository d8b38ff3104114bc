import { ConnectionPage } from '../pages/connection';
import { expect, test } from '../support/refused';
import { shoot } from '../support/shots';

test('an Odoo that refuses the credentials', async ({ page }) => {
  const connection = new ConnectionPage(page);
  await expect(async () => {
    await page.goto('/connection');
    await expect(connection.refusal).toHaveCount(1, { timeout: 500 });
  }).toPass();
  await connection.hydrated();
  await shoot(page, 'connection-refused');
  await connection.open('/keys');
  await shoot(page, 'keys-with-alarm');
});
