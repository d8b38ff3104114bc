/** The `test` of specs about an Odoo that refuses the bridge's credentials. */
import { type Bridge, startBridge, startDemoOdoo } from './bridge';
import { expect, test as base } from './test';

export const test = base.extend<object, { bridge: Bridge }>({
  bridge: [
    async ({}, use) => {
      const odoo = await startDemoOdoo();
      const bridge = await startBridge({
        account: true,
        odoo: { url: odoo.url, db: 'demo', username: 'admin', secret: 'not-the-key' },
      });
      await use(bridge);
      await bridge.stop();
      await odoo.stop();
    },
    { scope: 'worker', timeout: 120_000 },
  ],
});

export { expect };
