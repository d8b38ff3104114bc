import { GuidePage, SNIPPETS, type SnippetId } from '../pages/guide';
import { makeKey } from '../support/keys';
import { runAppsScript, runShell } from '../support/snippets';
import { expect, test } from '../support/test';

type Order = { id: number; name: string; state: string };

const FIVE_ORDERS = Array.from({ length: 5 }, () => expect.objectContaining({ name: expect.stringMatching(/^S\d+/) }));

test("the guide has this bridge's own address, and a tab for each kind of client", async ({ page, bridge }) => {
  const guide = new GuidePage(page);
  await guide.open('/guide');
  await expect(page.getByTestId('endpoint')).toHaveText(`POST ${bridge.origin}/call`);
  for (const id of Object.keys(SNIPPETS) as SnippetId[]) {
    await guide.tab(id).click();
    await expect(guide.tab(id)).toHaveAttribute('aria-selected', 'true');
    for (const other of Object.keys(SNIPPETS) as SnippetId[]) {
      await expect(guide.panel(other)).toBeVisible({ visible: other === id });
    }
    // Colors, not only words.
    expect(await guide.snippet(id).locator('span').count()).toBeGreaterThan(5);
  }
  await guide.tab('curl').press('ArrowRight');
  await expect(guide.tab('fetch')).toBeFocused();
  await expect(guide.panel('fetch')).toBeVisible();
});

test('what is copied is what is shown', async ({ page, context, bridge }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: bridge.origin });
  const guide = new GuidePage(page);
  await guide.open('/guide');
  for (const id of Object.keys(SNIPPETS) as SnippetId[]) {
    await guide.tab(id).click();
    await guide.panel(id).getByRole('button', { name: 'Copy' }).click();
    await expect(guide.panel(id).getByRole('button', { name: 'Copied' })).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await guide.code(id));
  }
});

test('the fetch snippet reads orders in a browser', async ({ page }) => {
  const key = await makeKey(page, 'Guide: fetch');
  const guide = new GuidePage(page);
  await guide.open('/guide');
  const code = (await guide.code('fetch')).replace('YOUR_API_KEY', key);
  const printed = page.waitForEvent('console', (message) => message.type() === 'log');
  // In the page's own scripts: the policy of the page forbids scripts put into it, not a debugger's.
  await page.evaluate(code);
  const answer = await (await printed).args()[0].jsonValue();
  expect(answer).toMatchObject({ success: true, data: FIVE_ORDERS });
});

test('the curl snippet reads orders in a shell', async ({ page }) => {
  const key = await makeKey(page, 'Guide: curl');
  const guide = new GuidePage(page);
  await guide.open('/guide');
  const answer = JSON.parse(await runShell((await guide.code('curl')).replace('YOUR_API_KEY', key)));
  expect(answer).toMatchObject({ success: true, data: FIVE_ORDERS });
});

test('the Apps Script snippet reads orders, and throws the sentence of a failure', async ({ page }) => {
  const key = await makeKey(page, 'Guide: Apps Script');
  const guide = new GuidePage(page);
  await guide.open('/guide');
  const code = await guide.code('apps-script');

  const { log } = runAppsScript(code, 'logSaleOrders()', { ODOO_BRIDGE_KEY: key });
  const orders = JSON.parse(log.join('\n')) as Order[];
  expect(orders).toEqual(FIVE_ORDERS);

  // As the owner's own script calls it: without kwargs.
  const { result } = runAppsScript(code, 'apiExecuteGateway("sale.order", "search_count", [[]])', { ODOO_BRIDGE_KEY: key });
  expect(result).toBeGreaterThanOrEqual(30);

  const failing = () => runAppsScript(code, 'apiExecuteGateway("no.such.model", "read", [[1]])', { ODOO_BRIDGE_KEY: key });
  expect(failing).toThrow(/no\.such\.model/);
  expect(() => runAppsScript(code, 'logSaleOrders()', {})).toThrow(/ODOO_BRIDGE_KEY/);
});

test('every code that an answer may hold is explained', async ({ page, request }) => {
  const guide = new GuidePage(page);
  await guide.open('/guide');
  const listed = await page.getByTestId('error-codes').getByRole('rowheader').allInnerTexts();
  const openapi = JSON.stringify(await (await request.get('/openapi.json')).json());
  expect(listed.length).toBeGreaterThanOrEqual(15);
  for (const code of listed) expect(openapi).toContain(`"${code}"`);
});

test.describe('Try it', () => {
  test('shows status, time, headers and the formatted answer', async ({ page }) => {
    const key = await makeKey(page, 'Try it');
    const guide = new GuidePage(page);
    await guide.open('/guide');
    await guide.key.fill(key);
    await guide.send.click();
    await expect(guide.result).toContainText('HTTP 200');
    await expect(page.getByTestId('try-it-time')).toHaveText(/^\d+ ms$/);
    const text = await page.getByTestId('try-it-answer').locator('code').innerText();
    expect(text).toContain('\n  "success": true');
    expect(JSON.parse(text)).toMatchObject({ success: true, data: FIVE_ORDERS });
    await guide.result.getByText(/^Headers/).click();
    await expect(guide.result).toContainText('x-request-id');
  });

  test('explains a failure', async ({ page, quiet }) => {
    const guide = new GuidePage(page);
    const key = await makeKey(page, 'Try it: failure');
    await guide.open('/guide');
    await guide.key.fill(key);
    await guide.model.fill('no.such.model');
    quiet.expect(/status of 404.*\/call/);
    await guide.send.click();
    await expect(guide.result).toContainText('HTTP 404');
    await expect(guide.result).toContainText('odoo_not_found');

    quiet.expect(/status of 401.*\/call/);
    await guide.key.fill(key.replace(/.$/, (last) => (last === '0' ? '1' : '0')));
    await guide.send.click();
    await expect(guide.result).toContainText('HTTP 401');
    await expect(guide.result).toContainText('unauthenticated');
  });

  test('says what is wrong with the input before anything is sent', async ({ page }) => {
    const guide = new GuidePage(page);
    await guide.open('/guide');
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.url()));
    await guide.send.click();
    await expect(guide.inputProblem).toContainText('key');
    await guide.key.fill('obk_00000000_anything');
    await guide.args.fill('[[');
    await guide.send.click();
    await expect(guide.inputProblem).toContainText(/args/i);
    expect(sent).toEqual([]);
  });

  test('keeps the key in memory only', async ({ page, context }) => {
    const key = await makeKey(page, 'Try it: memory');
    const guide = new GuidePage(page);
    await guide.open('/guide');
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    await guide.key.fill(key);
    await guide.send.click();
    await expect(guide.result).toContainText('HTTP 200');

    const kept = JSON.stringify([
      urls,
      page.url(),
      await context.storageState({ indexedDB: true }),
      await page.evaluate(() => ({ ...sessionStorage, html: document.documentElement.outerHTML, name: window.name })),
      await page.evaluate(async () => (await caches.keys()).join()),
    ]);
    expect(kept).not.toContain(key);
    await page.reload();
    await guide.hydrated();
    await expect(guide.key).toHaveValue('');
  });
});
