/** The `test` of every spec: a bridge, a signed-in browser, and silence in its console. */
import { type BrowserContext, type BrowserContextOptions, expect, test as base } from '@playwright/test';

import { ADMIN, type Bridge, type BridgeSettings, startBridge } from './bridge';
import { Quiet } from './quiet';

type WorkerFixtures = {
  /** How the bridge is set; specs that ask for the same share one. */
  bridgeSettings: BridgeSettings & { alone?: string };
  bridge: Bridge;
  /** The cookies of somebody who is signed in. */
  session: Exclude<BrowserContextOptions['storageState'], string | undefined>;
};

type TestFixtures = {
  /** Whether the browser begins signed in. */
  signedIn: boolean;
  quiet: Quiet;
  /** Another browser of its own, signed out, held to silence too. */
  newContext: (options?: BrowserContextOptions) => Promise<BrowserContext>;
};

export const test = base.extend<TestFixtures, WorkerFixtures>({
  bridgeSettings: [{ account: true }, { option: true, scope: 'worker' }],
  bridge: [
    async ({ bridgeSettings }, use) => {
      const bridge = await startBridge(bridgeSettings);
      await use(bridge);
      await bridge.stop();
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  session: [
    async ({ bridge, bridgeSettings, playwright }, use) => {
      if (!bridgeSettings.account) {
        await use({ cookies: [], origins: [] });
        return;
      }
      const request = await playwright.request.newContext({ baseURL: bridge.origin });
      const answer = await request.post('/api/sign_in', {
        form: { email: ADMIN.email, password: ADMIN.password, next: '' },
        headers: { Origin: bridge.origin },
      });
      expect(answer.status(), 'signing in').toBe(200);
      await use(await request.storageState());
      await request.dispose();
    },
    { scope: 'worker' },
  ],

  signedIn: [true, { option: true }],
  baseURL: async ({ bridge }, use) => use(bridge.origin),
  storageState: async ({ signedIn, session }, use) => use(signedIn ? session : undefined),

  quiet: [
    async ({}, use) => {
      const quiet = new Quiet();
      await use(quiet);
      expect(quiet.verdict(), 'what the browser complained about').toEqual([]);
    },
    { auto: true },
  ],
  context: async ({ context, quiet }, use) => {
    quiet.watch(context);
    await use(context);
  },
  newContext: async ({ browser, contextOptions, baseURL, quiet }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (options = {}) => {
      const signedOut = { cookies: [], origins: [] };
      const context = await browser.newContext({ ...contextOptions, baseURL, storageState: signedOut, ...options });
      quiet.watch(context, options.javaScriptEnabled === false ? 'off' : 'on');
      contexts.push(context);
      return context;
    });
    for (const context of contexts) await context.close();
  },
});

export { expect };
