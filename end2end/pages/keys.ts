import { type Locator, type Page, expect } from '@playwright/test';

import { DashboardPage } from './page';

/** What the contract says a key looks like. */
export const KEY = /^obk_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}$/;

/** `/keys` */
export class KeysPage extends DashboardPage {
  readonly create: Locator;
  readonly search: Locator;
  readonly table: Locator;
  readonly rows: Locator;
  readonly createDialog: Locator;
  readonly newKeyDialog: Locator;
  readonly newKey: Locator;
  readonly revokeDialog: Locator;
  readonly announcement: Locator;

  constructor(page: Page) {
    super(page);
    this.create = page.getByRole('button', { name: 'Create key', exact: true }).first();
    this.search = page.getByRole('searchbox', { name: 'Search keys by name or prefix' });
    this.table = page.getByRole('table', { name: 'Your API keys' });
    this.rows = this.table.locator('tbody tr');
    this.createDialog = page.getByRole('dialog', { name: 'Create a key' });
    this.newKeyDialog = page.getByRole('dialog', { name: 'Your new key' });
    this.newKey = this.newKeyDialog.locator('#new-key');
    this.revokeDialog = page.getByRole('dialog', { name: 'Revoke this key?' });
    this.announcement = page.locator('.announcement');
  }

  row(name: string): Locator {
    return this.rows.filter({ has: this.page.getByRole('rowheader', { name, exact: true }) });
  }

  /** Name by name, as the table shows them. */
  names(): Promise<string[]> {
    return this.table.locator('tbody').getByRole('rowheader').allInnerTexts();
  }

  status(word: 'All' | 'Active' | 'Expired' | 'Revoked'): Locator {
    return this.page.getByRole('navigation', { name: 'Filter by status' }).getByRole('link', { name: word, exact: true });
  }

  column(name: string): Locator {
    return this.table.getByRole('columnheader', { name });
  }

  /** Fills the dialog in and answers the key that comes. The dialog that shows it stays open. */
  async createKey(name: string, expiry = 'Never'): Promise<string> {
    await this.create.click();
    await this.createDialog.getByLabel('Name').fill(name);
    await this.createDialog.getByLabel('Expires').selectOption(expiry);
    await this.createDialog.getByRole('button', { name: 'Create key' }).click();
    await expect(this.newKeyDialog).toBeVisible();
    return this.newKey.innerText();
  }

  async done(): Promise<void> {
    await this.newKeyDialog.getByRole('button', { name: 'Done' }).click();
    await expect(this.newKeyDialog).toBeHidden();
  }
}

/** `/keys/<id>` */
export class KeyPage extends DashboardPage {
  readonly details: Locator;
  readonly question: Locator;
  readonly confirm: Locator;
  readonly sharing: Locator;
  readonly recent: Locator;

  constructor(page: Page) {
    super(page);
    this.details = page.locator('dl.details-list');
    this.question = page.getByText('Revoke this key');
    this.confirm = page.getByRole('button', { name: 'Yes, revoke it' });
    this.sharing = page.getByRole('region', { name: 'Share identical reads' });
    this.recent = page.getByRole('region', { name: 'Recent calls' });
  }
}
