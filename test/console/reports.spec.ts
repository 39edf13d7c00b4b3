import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_KEY } from '../support/admin.ts';
import { CHROMIUM } from '../support/browser.ts';
import { freePort } from '../support/ports.ts';
import { run, type RunningProcess } from '../support/process.ts';
import { openBrowser, seriousFaults, type Theme } from './looking.ts';

const CLI = join(import.meta.dirname, '../../scripts/headgate.ts');
const SIM = { SIM_GPU: 'rtx-4080', SIM_SPEED: '0.02', SIM_START_MS: '50', SIM_STOP_MS: '10' };
const MODEL = 'mistral-7b-instruct';
const SHORT = ['--output', '8', '--input', '16'];
/** Each program as it is run, and what its page is called. What it finds is another test's business. */
const PROGRAMS: Readonly<Record<string, { readonly args: (url: string) => readonly string[]; readonly title: RegExp }>> = {
  load: { args: (url) => [url, '--rate', '20', '--duration', '3s', '--slo', 'ttft:500', 'e2e:5000', ...SHORT], title: /load/i },
  abtest: {
    args: (url) => [
      url,
      '--admin-key',
      ADMIN_KEY,
      '--window',
      '0,20',
      '--slot',
      '400ms',
      '--settle',
      '100ms',
      '--slots',
      '6',
      '--rate',
      '20',
      ...SHORT,
    ],
    title: /20 ms/,
  },
  'release-gate': {
    args: (url) => [url, '--admin-key', ADMIN_KEY, '--quick', '--soak', '5s', '--capacity', '10', '--only', 'step,cancel,soak', ...SHORT],
    title: /release/i,
  },
  tune: {
    args: () => ['--model', MODEL, '--engine', 'sim', '--quick', '--duration', '300ms', '--grid', 'max-num-seqs=4,8', '--no-check'],
    title: /tun/i,
  },
  chaos: { args: () => ['--rows', 'reset,stall,window-death'], title: /fault/i },
};

describe.skipIf(CHROMIUM === null)(CHROMIUM === null ? 'no Chromium on the PATH, so not tried' : 'reports in Chromium', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-reports-'));
  let browser: Browser;
  let gateway: RunningProcess;
  let url: string;
  beforeAll(async () => {
    const port = await freePort(12);
    gateway = run(process.execPath, [CLI, 'serve', '--engine', 'sim', '--model', MODEL, '--port', String(port)], {
      cwd: mkdtempSync(join(folder, 'gateway-')),
      env: { ...SIM, HEADGATE_ADMIN__KEY: ADMIN_KEY, HEADGATE_SUPERVISOR__PORT_RANGE: `[${port + 1}, ${port + 11}]` },
    });
    await gateway.prints(/is ready on http/, 60_000);
    url = `http://127.0.0.1:${port}`;
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test.each(Object.entries(PROGRAMS))(
    'that of %s opens without errors, asks nobody, and can be read by all',
    async (name, { args, title }) => {
      await using program = run(process.execPath, [CLI, name, ...args(url)], { cwd: folder, env: SIM });
      await program.exited;
      const runs = join(folder, 'experiments/runs');
      const [own] = readdirSync(runs).filter((each) => each.includes(`-${name}-`));
      expect(own, program.output()).toBeDefined();
      for (const [theme, width] of [
        ['light', 1280],
        ['dark', 1280],
        ['dark', 400],
      ] satisfies [Theme, number][]) {
        const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme });
        const page = await context.newPage();
        const wrong: string[] = [];
        page.on('console', (message) => wrong.push(message.text()));
        page.on('pageerror', (error) => wrong.push(String(error)));
        page.on('request', (request) => {
          if (!request.url().startsWith('file:') && !request.url().startsWith('data:')) wrong.push(`asked another: ${request.url()}`);
        });
        await page.goto(pathToFileURL(join(runs, own!, 'report.html')).href);
        expect(await page.title()).toMatch(title);
        expect(await seriousFaults(page)).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
        expect(wrong).toEqual([]);
        await context.close();
      }
    },
    300_000,
  );
});
