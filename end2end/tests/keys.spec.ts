import { KEY, KeyPage, KeysPage } from '../pages/keys';
import { expect, test } from '../support/test';

test.use({ bridgeSettings: { account: true, alone: 'keys' } });

/** Calls the bridge as a page of its own origin does. */
function callFromPage(key: string) {
  return fetch('/call', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-KEY': key },
    body: JSON.stringify({ model: 'sale.order', method: 'search_read', kwargs: { limit: 2, fields: ['name'] } }),
  }).then(async (answer) => ({ status: answer.status, body: await answer.json() }));
}

test('a key is created, copied, used, revoked and refused', async ({ page, context, bridge, quiet }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: bridge.origin });
  const keys = new KeysPage(page);
  await keys.open('/keys');
  const loads: string[] = [];
  page.on('request', (request) => {
    if (request.isNavigationRequest()) loads.push(request.url());
  });

  const key = await test.step('create', async () => {
    const key = await keys.createKey('Stock sheet', 'In 90 days');
    expect(key).toMatch(KEY);
    // Only the key, a copy button and a warning, and the way out.
    await expect(keys.newKeyDialog).toMatchAriaSnapshot(`
      - dialog "Your new key":
        - /children: equal
        - heading "Your new key" [level=2]
        - code: /^obk_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}$/
        - button "Copy key"
        - status
        - paragraph: This is the only time the key is shown. Copy it now and keep it as you would keep a password.
        - button "Done"
    `);
    return key;
  });

  await test.step('copy', async () => {
    await keys.newKeyDialog.getByRole('button', { name: 'Copy key' }).click();
    await expect(keys.newKeyDialog.getByRole('button', { name: 'Copied' })).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(key);
    await page.keyboard.press('Escape');
    await expect(keys.newKeyDialog, 'Escape must not lose the key').toBeVisible();
    await keys.done();
    expect(await page.content(), 'the key is nowhere on the page').not.toContain(key);
    await expect(keys.announcement).toContainText('“Stock sheet” is created');
    await expect(keys.announcement).toBeFocused();
  });

  await test.step('the table has it, without a reload', async () => {
    const row = keys.row('Stock sheet');
    await expect(row.getByRole('cell', { name: key.slice(0, 12), exact: true })).toBeVisible();
    await expect(row).toContainText('Active');
    await expect(row.locator('.used')).toHaveText('Never');
    const created = row.locator('.created time');
    await expect(created, "in the reader's zone").not.toContainText('UTC');
    await expect(created, 'exact on hover').toHaveAttribute('title', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const local = await created.evaluate((time: HTMLTimeElement) => {
      const at = new Date(time.dateTime);
      const two = (number: number) => String(number).padStart(2, '0');
      return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
    });
    await expect(created).toHaveText(local);
  });

  await test.step('call', async () => {
    const answer = await page.evaluate(callFromPage, key);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ success: true, data: [{}, {}] });
  });

  await test.step('last used is told', async () => {
    await expect(async () => {
      await page.reload();
      await expect(keys.row('Stock sheet').locator('.used time')).toBeVisible({ timeout: 500 });
    }).toPass({ timeout: 20_000 });
    await keys.hydrated();
    loads.length = 0;
  });

  await test.step('revoke asks first', async () => {
    await keys.row('Stock sheet').getByRole('button', { name: 'Revoke Stock sheet' }).click();
    await expect(keys.revokeDialog).toContainText('Stock sheet');
    await keys.revokeDialog.getByRole('button', { name: 'Keep it' }).click();
    await expect(keys.revokeDialog).toBeHidden();
    await expect(keys.row('Stock sheet')).toContainText('Active');

    await keys.row('Stock sheet').getByRole('button', { name: 'Revoke Stock sheet' }).click();
    await keys.revokeDialog.getByRole('button', { name: 'Revoke key' }).click();
    await expect(keys.revokeDialog).toBeHidden();
    await expect(keys.row('Stock sheet')).toContainText('Revoked');
    await expect(keys.row('Stock sheet').getByRole('button')).toHaveCount(0);
    await expect(keys.announcement).toContainText('“Stock sheet” is revoked');
  });

  await test.step('refused', async () => {
    quiet.expect(/status of 401.*\/call/);
    const answer = await page.evaluate(callFromPage, key);
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject({ success: false, code: 'unauthenticated' });
    expect(loads, 'no page was loaded for any of it').toEqual([]);
  });
});

test('a day that can not be is refused in words', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await keys.create.click();
  await keys.createDialog.getByLabel('Name').fill('Over before it began');
  await keys.createDialog.getByLabel('Expires').selectOption('On a date…');
  await keys.createDialog.getByLabel('Last day').fill('2020-01-31');
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  await expect(keys.createDialog.getByRole('alert')).toContainText('That day is over. Choose one that is not.');

  await keys.createDialog.getByLabel('Last day').fill('2099-12-31');
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  await expect(keys.newKeyDialog).toBeVisible();
  await keys.done();
  await expect(keys.row('Over before it began').locator('.expires time')).toHaveAttribute('datetime', '2100-01-01T00:00:00.000Z');
});

test('search, order and status filter live in the address and survive a reload', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  for (const name of ['Fruit banana', 'Fruit apple', 'Fruit cherry']) {
    await keys.createKey(name);
    await keys.done();
  }
  await expect(keys.names().then((names) => names.slice(0, 3)), 'newest first').resolves.toEqual([
    'Fruit cherry',
    'Fruit apple',
    'Fruit banana',
  ]);
  // A mark that a reload would wipe out.
  await page.evaluate(() => ((window as unknown as { kept: boolean }).kept = true));

  await keys.search.fill('fruit');
  await expect(page).toHaveURL('/keys?q=fruit');
  await expect(keys.rows).toHaveCount(3);
  await expect(page.getByText(/^3 of \d+ keys$/)).toBeVisible();

  await keys.column('Key Name').getByRole('link').click();
  await expect(page).toHaveURL(/sort=name/);
  await expect(keys.column('Key Name')).toHaveAttribute('aria-sort', 'ascending');
  await expect.poll(() => keys.names()).toEqual(['Fruit apple', 'Fruit banana', 'Fruit cherry']);
  await keys.column('Key Name').getByRole('link').click();
  await expect(page).toHaveURL(/dir=desc/);
  await expect(keys.column('Key Name')).toHaveAttribute('aria-sort', 'descending');
  await expect.poll(() => keys.names()).toEqual(['Fruit cherry', 'Fruit banana', 'Fruit apple']);

  await keys.row('Fruit banana').getByRole('button', { name: 'Revoke Fruit banana' }).click();
  await keys.revokeDialog.getByRole('button', { name: 'Revoke key' }).click();
  await expect(keys.revokeDialog).toBeHidden();
  await keys.status('Active').click();
  await expect(page).toHaveURL(/status=active/);
  await expect.poll(() => keys.names()).toEqual(['Fruit cherry', 'Fruit apple']);
  await keys.status('Revoked').click();
  await expect.poll(() => keys.names()).toEqual(['Fruit banana']);
  await expect(keys.status('Revoked')).toHaveAttribute('aria-current', 'true');
  expect(await page.evaluate(() => (window as unknown as { kept?: boolean }).kept), 'no reload so far').toBe(true);

  const address = page.url();
  await page.reload();
  await keys.hydrated();
  expect(page.url()).toBe(address);
  await expect(keys.search).toHaveValue('fruit');
  await expect(keys.names()).resolves.toEqual(['Fruit banana']);
  await expect(keys.status('Revoked')).toHaveAttribute('aria-current', 'true');

  await keys.search.fill('no such fruit');
  await expect(page.getByRole('heading', { name: 'No key matches' })).toBeVisible();
  await page.getByRole('link', { name: 'Clear filters' }).click();
  await expect(page).toHaveURL('/keys');
  await expect(keys.search).toHaveValue('');
  await expect(keys.row('Fruit apple')).toBeVisible();
});

test('a key made on the terminal is listed too, and expires by itself', async ({ page, bridge, request }) => {
  const made = JSON.parse(bridge.run('create-key', '--name', 'Made on the terminal', '--expires-in', '2s', '--json'));
  expect(made.key).toMatch(KEY);
  const keys = new KeysPage(page);
  await expect(async () => {
    await keys.open('/keys?status=expired');
    await expect(keys.row('Made on the terminal')).toContainText('Expired', { timeout: 500 });
  }).toPass({ timeout: 30_000 });
  await expect(keys.row('Made on the terminal')).toContainText(made.prefix);
  const answer = await request.post('/call', {
    headers: { 'X-API-KEY': made.key },
    data: { model: 'res.partner', method: 'search_count', args: [[]] },
  });
  expect(answer.status()).toBe(401);
});

test('who was signed out meanwhile is led to sign in', async ({ page, context, quiet }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await context.clearCookies();
  await keys.create.click();
  await keys.createDialog.getByLabel('Name').fill('Too late');
  quiet.expect(/status of 401.*\/api\//);
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  await expect(keys.createDialog.getByRole('alert')).toContainText('Sign in to do this.');
  await keys.createDialog.getByRole('link', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL(/\/login/);
  await keys.hydrated();
});

test("a key's own page tells all of it and revokes it too", async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await keys.createKey('Night report', 'In 30 days');
  await keys.done();
  await keys.row('Night report').getByRole('link', { name: 'Night report' }).click();
  const key = new KeyPage(page);
  await expect(key.heading).toHaveText('Night report');
  await expect(key.details).toContainText('Active');
  await expect(key.confirm).toBeHidden();
  await key.question.click();
  await key.confirm.click();
  await expect(page.getByText('The key is revoked.')).toBeVisible();
  await expect(key.details).toContainText('Revoked at');
});

test('an address of no key says so', async ({ page, quiet }) => {
  quiet.expect(/status of 404.*\/keys\/no-such-key/);
  const answer = await page.goto('/keys/no-such-key');
  expect(answer?.status()).toBe(404);
  await expect(page.getByRole('heading', { name: 'There is no such key' })).toBeVisible();
  await expect(new KeyPage(page).banner).toBeVisible();
  await new KeyPage(page).hydrated();
});
