import type { Locator, Page } from '@playwright/test';

import { DashboardPage } from './page';

/** Presses the button of a plain form, and waits until the page of the answer is loaded. */
async function send(submit: Locator): Promise<void> {
  const loaded = submit.page().waitForEvent('load');
  await submit.click();
  await loaded;
}

/** `/login` */
export class LoginPage extends DashboardPage {
  readonly email: Locator;
  readonly password: Locator;
  readonly submit: Locator;

  constructor(page: Page) {
    super(page);
    this.email = page.getByLabel('Email');
    this.password = page.getByLabel('Password', { exact: true });
    this.submit = page.getByRole('button', { name: 'Sign in', exact: true });
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.email.fill(email);
    await this.password.fill(password);
    await send(this.submit);
  }
}

/** `/setup` */
export class SetupPage extends DashboardPage {
  readonly token: Locator;
  readonly email: Locator;
  readonly password: Locator;
  readonly submit: Locator;

  constructor(page: Page) {
    super(page);
    this.token = page.getByLabel('Set-up token');
    this.email = page.getByLabel('Email');
    this.password = page.getByLabel('Password', { exact: true });
    this.submit = page.getByRole('button', { name: 'Make the account' });
  }

  async makeAccount(token: string, email: string, password: string): Promise<void> {
    await this.token.fill(token);
    await this.email.fill(email);
    await this.password.fill(password);
    await send(this.submit);
  }
}

/** `/account` */
export class AccountPage extends DashboardPage {
  readonly oldPassword: Locator;
  readonly newPassword: Locator;
  readonly submit: Locator;

  constructor(page: Page) {
    super(page);
    this.oldPassword = page.getByLabel('Present password', { exact: true });
    this.newPassword = page.getByLabel('New password', { exact: true });
    this.submit = page.getByRole('button', { name: 'Change password' });
  }

  async changePassword(before: string, after: string): Promise<void> {
    await this.oldPassword.fill(before);
    await this.newPassword.fill(after);
    await send(this.submit);
  }
}
