import { ConnectionPage } from '../pages/connection';
import { test } from '../support/refused';
import { shoot } from '../support/shots';

test('an Odoo that refuses the credentials', async ({ page }) => {
  const connection = new ConnectionPage(page);
  await connection.openRefused();
  await shoot(page, 'connection-refused');
  await connection.open('/keys');
  await shoot(page, 'keys-with-alarm');
});
