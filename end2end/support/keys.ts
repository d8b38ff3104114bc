import type { Page } from '@playwright/test';

import { KeysPage } from '../pages/keys';

/** Makes a key in the dashboard, as a person does, and answers it. */
export async function makeKey(page: Page, name: string): Promise<string> {
  const keys = new KeysPage(page);
  await keys.open('/keys');
  const key = await keys.createKey(name);
  await keys.done();
  return key;
}
