/** Holds a browser to silence: no error in the console, no uncaught exception, no failed request. */
import type { BrowserContext } from '@playwright/test';

/** Where scripts are off, the browser tells of the scripts that it did not run. */
const SCRIPTS_ARE_OFF = [/^request failed: GET \S+\.js\S* csp$/, /was preloaded using link preload but not used/];

/** A page that is left at once: the browser asks for its icon last, and gives that up. */
const LEFT_BEFORE_ITS_ICON = /^request failed: GET \S+\/favicon\.svg\S* net::ERR_ABORTED$/;

export class Quiet {
  private readonly complaints: string[] = [];
  private readonly expected: RegExp[] = [];

  /** Listens to all pages of `context`, from now on. */
  watch(context: BrowserContext, scripts: 'on' | 'off' = 'on'): void {
    const complain = (complaint: string) => {
      if (LEFT_BEFORE_ITS_ICON.test(complaint)) return;
      if (scripts === 'off' && SCRIPTS_ARE_OFF.some((pattern) => pattern.test(complaint))) return;
      this.complaints.push(complaint);
    };
    context.on('console', (message) => {
      // A warning of the browser counts as well: it is about our page.
      if (['error', 'warning', 'assert'].includes(message.type())) {
        complain(`console ${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    context.on('weberror', (error) => complain(`uncaught: ${error.error()}`));
    context.on('requestfailed', (request) =>
      complain(`request failed: ${request.method()} ${request.url()} ${request.failure()?.errorText}`),
    );
  }

  /** A complaint that the test itself provokes. It must come: an allowance for nothing hides something. */
  expect(complaint: RegExp): void {
    this.expected.push(complaint);
  }

  /** What was heard and not expected, and what was expected and not heard. */
  verdict(): string[] {
    const heard = this.complaints.filter((text) => !this.expected.some((pattern) => pattern.test(text)));
    const missed = this.expected
      .filter((pattern) => !this.complaints.some((text) => pattern.test(text)))
      .map((pattern) => `expected and not heard: ${pattern}`);
    return [...heard, ...missed];
  }
}
