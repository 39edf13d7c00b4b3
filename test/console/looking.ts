import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { ADMIN_KEY } from '../support/admin.ts';
import { CHROMIUM } from '../support/browser.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';

export const [FIRST, SECOND] = ['llama-3.1-8b-instruct', 'qwen2.5-14b-instruct'] as const;
const CLI = join(import.meta.dirname, '../../scripts/headgate.ts');

export interface Looking {
  readonly page: Page;
  /** What went wrong in the page: errors, complaints of its policy, requests to anybody else. */
  readonly wrong: string[];
}

/** The whole program: a gateway, its supervisor, and two simulated models on a pretended card. */
export async function runHeadgate() {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-console-'));
  const port = await freePort(12);
  const settings = {
    server: { port },
    admin: { key: ADMIN_KEY },
    supervisor: { engine: 'sim', port_range: [port + 1, port + 11], state_dir: join(folder, 'state') },
    models: [FIRST, SECOND],
    limits: { anonymous: { tokens_per_minute: 1_000_000 } },
  };
  // JSON is YAML, too.
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const env = { SIM_GPU: 'l4', SIM_SPEED: '0.25', SIM_START_MS: '3000' };
  const program = run(process.execPath, [CLI, 'serve'], { cwd: folder, env });
  const url = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(isReady, `ready:\n${program.output()}`);
  return {
    url,
    program,
    async end() {
      program.child.kill('SIGTERM');
      await program.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
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
