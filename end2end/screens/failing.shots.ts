import { GuidePage } from '../pages/guide';
import { SpeedTestPage } from '../pages/speed-test';
import { makeKey } from '../support/keys';
import { shoot } from '../support/shots';
import { expect, test } from '../support/test';

test.use({
  bridgeSettings: {
    account: true,
    odoo: { url: 'http://127.0.0.1:1', db: 'nowhere', username: 'nobody', secret: 'nothing' },
  },
});

test('an Odoo that is not there', async ({ page, quiet }) => {
  const speed = new SpeedTestPage(page);
  await speed.open('/speed-test');
  for (const [which, count] of [['Light', 1], ['Heavy', 2]] as const) {
    await speed.run(which).click();
    await expect(speed.rows).toHaveCount(count);
  }
  await shoot(page, 'speed-test-failed');

  const key = await makeKey(page, 'Unreachable');
  const guide = new GuidePage(page);
  await guide.open('/guide');
  await guide.key.fill(key);
  quiet.expect(/status of 502.*\/call/);
  await guide.send.click();
  await expect(guide.result).toContainText('HTTP 502');
  await shoot(page, 'guide-unreachable');
});
