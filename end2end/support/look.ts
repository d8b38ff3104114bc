/** Holds a page to what everybody needs of it, whatever they see and on whatever screen. */
import AxeBuilder from '@axe-core/playwright';
import { type Page, expect } from '@playwright/test';

export const NARROW = { width: 360, height: 740 };
const THEMES = ['light', 'dark'] as const;

/** No violation that axe knows of in either theme, and at 360 px nothing that stands out to the right. */
export async function expectFitForAll(page: Page, state: string): Promise<void> {
  const size = page.viewportSize();
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme });
    await expectAccessible(page, `${state}, ${colorScheme}`);
  }
  await page.setViewportSize(NARROW);
  await expectNoOverflow(page, state);
  await expectAccessible(page, `${state}, narrow`);
  if (size) await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: null });
}

/** The page is not wider than the window. */
export async function expectNoOverflow(page: Page, state: string): Promise<void> {
  const tooWide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= window.innerWidth) return [];
    return [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > width + 0.5)
      .map((element) => `<${element.localName} class="${element.getAttribute('class') ?? ''}">`);
  });
  expect(tooWide, `${state}: wider than the window`).toEqual([]);
}

async function expectAccessible(page: Page, state: string): Promise<void> {
  // Colors in the middle of a change are nobody's colors.
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter((animation) => animation.effect?.getTiming().iterations !== Infinity)
        // In a closed <details> a transition begins and never ends.
        .filter((animation) => (animation.effect as KeyframeEffect | null)?.target?.checkVisibility())
        .map((animation) => animation.finished),
    ),
  );
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id} (${violation.help}): ${node.target.join(' ')}: ${node.failureSummary}`),
  );
  expect(found, state).toEqual([]);
}
