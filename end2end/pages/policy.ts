import { type Locator, type Page } from '@playwright/test';

import { DashboardPage } from './page';

/** `/keys/<id>/policy` */
export class PolicyPage extends DashboardPage {
  readonly words: Locator;
  readonly document: Locator;
  readonly answer: Locator;
  readonly newKey: Locator;

  constructor(page: Page) {
    super(page);
    this.words = page.locator('.policy-words').first();
    this.document = page.getByLabel('Policy', { exact: true });
    this.answer = page.locator('#why-answer');
    this.newKey = page.locator('#new-key');
  }

  button(name: string): Locator {
    return this.main.getByRole('button', { name, exact: true });
  }

  /** Asks of a call what the document in the editor says to it. */
  async why(model: string, method: string, args = '[[]]', kwargs = '{}'): Promise<void> {
    for (const [label, value] of Object.entries({ Model: model, Method: method, args, kwargs })) {
      await this.main.getByLabel(label, { exact: true }).fill(value);
    }
    await this.button('Ask why').click();
  }
}
