import { expect, test } from '../support/test';

/** The most that the page's WebAssembly may weigh on its way, in bytes. */
const WASM_MAX_BYTES = 300_000;

test.use({ signedIn: false });

for (const file of ['odoo-bridge_bg.wasm', 'odoo-bridge.js', 'odoo-bridge.css']) {
  test(`${file} is compressed, and kept for good when asked for by its hash`, async ({ request }) => {
    const page = await (await request.get('/login')).text();
    const [address] = new RegExp(`/pkg/${file.replaceAll('.', '\\.')}\\?v=[0-9a-f]{16}`).exec(page) ?? [];
    expect(address, 'the page names it with its hash').toBeDefined();
    const headers = { 'Accept-Encoding': 'gzip, deflate, br' };
    const answer = await request.get(address ?? '', { headers });
    expect(answer.status()).toBe(200);
    expect(answer.headers()).toMatchObject({ 'content-encoding': 'br', 'cache-control': expect.stringContaining('immutable') });
    if (file.endsWith('.wasm')) {
      expect(answer.headers()['content-type']).toBe('application/wasm');
      const debug = !process.env.BRIDGE_BIN?.includes('/release/');
      if (!debug) expect(Number(answer.headers()['content-length'])).toBeLessThan(WASM_MAX_BYTES);
    }

    const plain = await request.get(`/pkg/${file}`, { headers });
    expect(plain.headers()['cache-control']).toBe('no-cache');
    const etag = plain.headers().etag;
    const again = await request.get(`/pkg/${file}`, { headers: { ...headers, 'If-None-Match': etag } });
    expect(again.status()).toBe(304);
    const other = await request.get(`/pkg/${file}?v=0000000000000000`, { headers });
    expect(other.headers()['cache-control']).toBe('no-cache');
  });
}

test('nothing of the site is fetched from elsewhere', async ({ page, bridge }) => {
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== bridge.origin) elsewhere.push(request.url());
  });
  await page.goto('/login');
  await expect(page.locator('html')).toHaveAttribute('data-hydrated', 'true', { timeout: 30_000 });
  expect(elsewhere).toEqual([]);
});

test.describe('signed in', () => {
  test.use({ signedIn: true });

  test('no page fetches anything from elsewhere, and each runs under its own nonce', async ({ page, bridge }) => {
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'data:' && url.protocol !== 'blob:' && url.origin !== bridge.origin) elsewhere.push(request.url());
    });
    const nonces = new Set<string>();
    const pages = ['/keys', '/calls', '/guide', '/guide/errors', '/speed-test', '/speed-test/runs', '/connection', '/people', '/audit', '/account', '/account/security'];
    for (const path of pages) {
      await page.goto(path);
      await expect(page.locator('html')).toHaveAttribute('data-hydrated', 'true', { timeout: 30_000 });
      // The browser hides the attribute, so that no style can read it.
      const nonce = await page.locator('script[nonce]').first().evaluate((script) => (script as HTMLScriptElement).nonce);
      expect(nonce, path).toBeTruthy();
      nonces.add(nonce);
    }
    expect(elsewhere).toEqual([]);
    expect(nonces.size).toBe(pages.length);
  });
});
