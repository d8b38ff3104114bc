import { KEY, KeyPage, KeysPage } from '../pages/keys';
import { PolicyPage } from '../pages/policy';
import { expectFitForAll } from '../support/look';
import { expect, test } from '../support/test';

test('a key for stock is made, refused on users, explained, rolled, and the old one ends', async ({ page, request, bridge }) => {
  test.slow();
  const call = (key: string, model: string) =>
    request.post(`${bridge.origin}/call`, {
      headers: { 'X-API-KEY': key },
      data: { model, method: 'search_read', args: [[]], kwargs: { limit: 2, fields: ['name'] } },
    });
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await keys.create.click();
  await keys.createDialog.getByLabel('Name').fill('Stock robot');
  await keys.createDialog.getByLabel('May do').selectOption('Full access');
  await expect(keys.createDialog, 'full access is spelled out').toContainText('read every secret in Odoo');
  await keys.createDialog.getByLabel('May do').selectOption('Stock sync');
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  const old = await keys.newKey.innerText();
  await keys.done();

  expect((await call(old, 'product.product')).status()).toBe(200);
  const refused = await call(old, 'res.users');
  expect(refused.status()).toBe(403);
  expect(await refused.json()).toMatchObject({ code: 'policy_denied', details: { rule: 'model', name: 'res.users' } });

  await keys.row('Stock robot').getByRole('link', { name: 'Stock robot' }).click();
  await expect(page.getByRole('region', { name: 'What it may do' })).toContainText('May read the records of product.product');
  await page.getByRole('link', { name: 'Change, switch off or roll' }).click();
  const policy = new PolicyPage(page);
  await expect(policy.heading).toHaveText('Stock robot');
  await policy.why('res.users', 'search_read');
  await expect(policy.answer).toContainText('Refused');
  await expect(policy.answer).toContainText('No rule of this key speaks of res.users.');
  await policy.why('stock.quant', 'write', '[[7], {"inventory_quantity": 5}]');
  await expect(policy.answer).toContainText('Allowed');
  await expect(policy.answer).toContainText('By rule 3.');
  await expectFitForAll(page, 'policy');

  await page.getByLabel('The old key ends').selectOption('In 15 minutes');
  await policy.button('Roll').click();
  const middle = await policy.newKey.innerText();
  expect(middle).toMatch(KEY);
  await expect(policy.main).toContainText('this one ends at');
  for (const key of [old, middle]) expect((await call(key, 'product.product')).status()).toBe(200);

  await page.getByRole('link', { name: 'The new one' }).click();
  await new KeyPage(page).hydrated();
  await page.getByRole('link', { name: 'Change, switch off or roll' }).click();
  await page.getByLabel('The old key ends').selectOption('At once');
  await policy.button('Roll').click();
  const last = await policy.newKey.innerText();
  expect((await call(middle, 'product.product')).status(), 'without grace it ends at once').toBe(401);
  expect((await call(last, 'product.product')).status()).toBe(200);
  expect((await call(last, 'res.users')).status(), 'with the same policy').toBe(403);
});

test('a new key can follow a shared policy from the start', async ({ page }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await keys.createKey('First of the fleet');
  await keys.done();
  const policy = new PolicyPage(page);
  const open = async (name: string) => {
    const address = await keys.row(name).getByRole('link', { name }).getAttribute('href');
    await page.goto(`${address}/policy`);
  };
  await open('First of the fleet');
  await page.getByLabel('Share this policy with other keys, under a name').fill('The <fleet> & co');
  await policy.button('Share').click();
  await expect(page.getByText('The policy is shared.')).toBeVisible();

  await keys.open('/keys');
  await keys.create.click();
  const choices = keys.createDialog.getByLabel('May do');
  await expect(choices, 'what it is unless chosen').toHaveValue('read_only');
  await keys.createDialog.getByLabel('Name').fill('Second of the fleet');
  await choices.selectOption('The <fleet> & co');
  await keys.createDialog.getByRole('button', { name: 'Create key' }).click();
  await expect(keys.newKey).toHaveText(KEY);
  await keys.done();
  await keys.create.click();
  await expect(choices, 'each time it is as new').toHaveValue('read_only');
  await keys.createDialog.getByRole('button', { name: 'Cancel' }).click();
  await open('Second of the fleet');
  await expect(policy.main).toContainText('as 2 keys do in all');
});

test('a policy is changed without JavaScript, and a mistake costs no draft', async ({ page, newContext, session }) => {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  await keys.createKey('Plain policy');
  await keys.done();
  const address = await keys.row('Plain policy').getByRole('link', { name: 'Plain policy' }).getAttribute('href');
  const plain = await (await newContext({ javaScriptEnabled: false, storageState: session })).newPage();
  const policy = new PolicyPage(plain);
  await plain.goto(`${address}/policy`);
  await expect(policy.words).toContainText('May change nothing.');
  await policy.document.fill('{"access":"read_only","max_limits":5}');
  await policy.button('Save policy').click();
  await expect(plain.getByRole('alert')).toContainText('max_limits');
  await expect(policy.document).toHaveValue('{"access":"read_only","max_limits":5}');
  await policy.document.fill('{"access":"read_only","max_limit":5}');
  await policy.button('Save policy').click();
  await expect(plain.getByText('The policy is saved.')).toBeVisible();
  await expect(policy.words).toContainText('at most 5 records');
  await policy.button('Switch the key off').click();
  await expect(plain.getByText('The key is disabled now.')).toBeVisible();
  await policy.button('Enable the key').click();
  await expect(plain.getByText('The key is active now.')).toBeVisible();
});
