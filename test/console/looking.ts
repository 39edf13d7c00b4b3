import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';
import { ADMIN_KEY } from '../support/admin.ts';
import { CHROMIUM } from '../support/browser.ts';

export interface Looking {
  readonly page: Page;
  /** What went wrong in the page: errors, complaints of its policy, requests to anybody else. */
  readonly wrong: string[];
}

export type Theme = 'dark' | 'light';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A page of the console, not signed in, in a profile of its own. */
export async function look(browser: Browser, url: string, theme: Theme, width: number): Promise<Looking> {
  const context = await browser.newContext({ viewport: { width, height: width < 500 ? 780 : 860 }, colorScheme: theme });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong.push(message.text());
  });
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== url) wrong.push(`asked another: ${request.url()}`);
  });
  await page.addInitScript(`addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective))`);
  await page.goto(`${url}/console`);
  return { page, wrong };
}

export async function signIn(page: Page, key = ADMIN_KEY): Promise<void> {
  await page.fill('#key', key);
  await page.keyboard.press('Enter');
  await page.waitForSelector('nav.side');
}

/** What axe-core finds serious or worse, a line each. */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.map(({ target, failureSummary }) => target.join(' ') + ' ' + failureSummary).slice(0, 3).join(' | ')))`,
  );
  return found as string[];
}
