/** Stores a picture of every page in every state, for people to look at: npm run screenshots. */
import { defineConfig } from '@playwright/test';

import { browser } from './playwright.config';

export default defineConfig({
  testDir: 'screens',
  testMatch: '*.shots.ts',
  workers: 2,
  timeout: 300_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: { ...browser, actionTimeout: 15_000, navigationTimeout: 30_000 },
});
