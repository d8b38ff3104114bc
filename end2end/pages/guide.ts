import type { Locator, Page } from '@playwright/test';

import { DashboardPage } from './page';

/** The snippets, by the words on their tabs and the ends of their test ids. */
export const SNIPPETS = {
  fetch: 'JavaScript fetch',
  'apps-script': 'Google Apps Script',
  curl: 'curl',
} as const;

export type SnippetId = keyof typeof SNIPPETS;

/** `/guide` */
export class GuidePage extends DashboardPage {
  readonly tryIt: Locator;
  readonly key: Locator;
  readonly model: Locator;
  readonly args: Locator;
  readonly send: Locator;
  readonly result: Locator;
  readonly inputProblem: Locator;

  constructor(page: Page) {
    super(page);
    this.tryIt = page.getByTestId('try-it');
    this.key = this.tryIt.getByLabel('API key');
    this.model = this.tryIt.getByLabel('Model');
    this.args = this.tryIt.getByLabel('Args', { exact: true });
    this.send = page.getByTestId('try-it-send');
    this.result = page.getByTestId('try-it-result');
    this.inputProblem = page.getByTestId('try-it-problem');
  }

  tab(id: SnippetId): Locator {
    return this.page.getByRole('tab', { name: SNIPPETS[id], exact: true });
  }

  panel(id: SnippetId): Locator {
    return this.page.locator(`#panel-${id}`);
  }

  snippet(id: SnippetId): Locator {
    return this.page.getByTestId(`snippet-${id}`);
  }

  /** The code of a snippet, as a reader copies it out of the page. */
  async code(id: SnippetId): Promise<string> {
    return (await this.snippet(id).textContent()) ?? '';
  }
}
