import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { until } from '../support/gateway.ts';
import { FIRST, type House, KEYS, LONG_NAME, runHeadgate, SECOND, THIRD } from './house.ts';
import { look, openBrowser, seriousFaults, signIn, type Theme } from './looking.ts';

const SHOTS = join(import.meta.dirname, 'shots');
const VIEWS = ['', 'workers', 'models', 'calls', 'try', 'batches', 'keys', 'settings'];
const HEADS = ['Overview', 'Workers', 'Models', 'Calls', 'Try it', 'Batches', 'Keys', 'Settings'];

describe.skipIf(CHROMIUM === null)(CHROMIUM === null ? 'no Chromium on the PATH, so not tried' : 'the console in Chromium', () => {
  let house: House;
  let browser: Browser;
  let url: string;
  let running: string;
  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    house = await runHeadgate();
    ({ url } = house);
    browser = await openBrowser();
    await live();
  });
  afterAll(async () => {
    await browser?.close();
    await house?.end();
  });

  /** So that every view has something to show: memory that runs out, calls of all kinds, a batch that runs and one that has failed lines. */
  async function live(): Promise<void> {
    await house.chat({ model: FIRST, seed: 0 });
    await until(
      async () => (await house.workers()).some(({ state, degradation }) => state === 'ready' && degradation.length > 0),
      'relaxed',
    );
    await house.batch('labels', [...texts(SECOND, 8, 4), { model: SECOND, messages: 'nothing of the kind' }]);
    running = await house.batch('summaries-of-every-night-of-november', texts(SECOND, 1_500, 160));
    const asks = Array.from({ length: 24 }, (_, seed) => ({ model: seed % 3 ? SECOND : FIRST, seed, key: seed % 2 ? KEYS.web : null }));
    await Promise.all(asks.map((ask) => house.chat(ask)));
    await Promise.all([1, 2].map((seed) => house.chat({ model: 'gpt-4o', seed, key: KEYS.long })));
    expect(await house.chat({ model: SECOND, seed: 1, key: KEYS.long })).toBe(404);
    expect(await house.chat({ model: FIRST, seed: 1, key: 'hg-console-of-nobody' })).toBe(401);
  }

  function texts(model: string, count: number, tokens: number): object[] {
    return Array.from({ length: count }, (_, seed) => ({
      model,
      seed,
      max_tokens: tokens,
      messages: [{ role: 'user', content: 'Sum it up.' }],
    }));
  }

  async function show(page: Page, view: string): Promise<void> {
    await page.goto(`${url}/console#/${view}`);
    await page.getByRole('heading', { level: 1, name: HEADS[VIEWS.indexOf(view)]! }).waitFor();
  }

  test('lets nobody in without the key, says why, and needs no script of others to do so', async () => {
    const { page, wrong } = await look(browser, url, 'light', 1280);
    await page.fill('#key', 'not-the-key-of-anybody');
    await page.keyboard.press('Enter');
    await page.getByText('This is not the admin key.').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    // The one error is what the browser says of the refusal itself.
    expect(wrong.filter((text) => !text.includes('401'))).toEqual([]);
    await page.screenshot({ path: join(SHOTS, 'sign-in.png') });
    await page.fill('#key', 'another-wrong-one');
    expect(await page.getByText('This is not the admin key.').count()).toBe(0);
    // Whoever sees the mistake while it is judged need not wait for the verdict.
    await page.keyboard.press('Enter');
    await signIn(page);
    await page.reload();
    await page.waitForSelector('nav.side');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForSelector('#key');
    await page.reload();
    await page.waitForSelector('#key');
    await page.context().close();
  });

  test.for<[Theme, number]>([
    ['dark', 1280],
    ['light', 1280],
    ['dark', 360],
    ['light', 360],
  ])(
    'every view in %s at %i pixels: no error, no complaint, nobody else asked, nothing serious for axe, nothing beyond the edge',
    async ([theme, width]) => {
      const { page, wrong } = await look(browser, url, theme, width);
      await signIn(page);
      const faults: string[] = [];
      for (const view of VIEWS) {
        await show(page, view);
        await page.waitForTimeout(700);
        faults.push(...(await seriousFaults(page)).map((fault) => `${view}: ${fault}`));
        const reaches = (await page.evaluate('document.documentElement.scrollWidth')) as number;
        if (reaches > width) faults.push(`${view}: reaches ${reaches} pixels`);
        await page.screenshot({ path: join(SHOTS, `${view || 'overview'}-${theme}-${width}.png`), fullPage: true });
      }
      expect([...faults, ...wrong]).toEqual([]);
      await page.context().close();
    },
  );

  test('a chat streams, with how long each part took, and stands among the calls', async () => {
    const { page, wrong } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await show(page, 'try');
    await page.fill('#most', '24');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForSelector('.said.done');
    expect((await page.locator('.said').innerText()).length).toBeGreaterThan(20);
    expect(await page.locator('.timings').innerText()).toMatch(/First token\s+[\d.]+ m?s/);
    await page.screenshot({ path: join(SHOTS, 'try-answer.png') });
    await show(page, 'calls');
    await page.getByRole('cell').first().getByRole('button').click();
    await page.getByText('/v1/chat/completions').waitFor();
    expect(await page.content()).not.toContain('headgate does');
    await page.screenshot({ path: join(SHOTS, 'calls-open.png') });
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  test('what has happened stands on the overview, with a mark at the worker, and requests refused at the door among the calls', async () => {
    const { page } = await look(browser, url, 'light', 1280);
    await signIn(page);
    await show(page, '');
    const events = page.getByRole('list', { name: 'Events, newest first' });
    await events.getByText('is ready').first().waitFor();
    await events
      .getByText(/failed \(/)
      .first()
      .waitFor();
    expect(await page.locator('.basin .fell').first().innerText()).toMatch(/^Failed (?:just now|\d+ min ago)$/);
    expect(await page.locator('.panel', { hasText: 'Turned away or cut off' }).innerText()).toContain('operator');
    await show(page, 'calls');
    await page.getByRole('button', { name: 'Refused' }).click();
    const row = page.getByRole('row', { name: '404 model not found' }).first();
    await row.waitFor();
    await page.getByText(/^401 /).first().waitFor();
    await page.screenshot({ path: join(SHOTS, 'calls-refused.png') });
    await page.context().close();
  });

  test('keys of both places stand there with what they may and have used, and batches with how far they are', async () => {
    const { page } = await look(browser, url, 'light', 1280);
    await signIn(page);
    await show(page, 'keys');
    const row = (name: string) => page.getByRole('row', { name }).first();
    await row('web-app').getByText('from settings').waitFor();
    expect(await row('web-app').innerText()).toContain('600 requests/min, 200k tokens/min, 64 at once');
    expect(await row(LONG_NAME).innerText()).toMatch(/from keys\.yaml[^]*3 requests\/min; then it waits/);
    expect(await row('old-app').innerText()).toContain('over since 2026-01-31');
    expect(await row('anonymous').innerText()).toContain('who has no key');
    expect(await page.content()).not.toContain('hg-console');
    await show(page, 'batches');
    expect(await page.locator('.panel', { hasText: 'labels' }).innerText()).toMatch(/Completed[^]*9 of 9[^]*Failed\s+1/);
    await house.cancel(running);
    expect(await page.locator('.panel', { hasText: 'summaries' }).innerText()).toMatch(/of 1,500/);
    await page.context().close();
  });

  test('by keyboard alone: into the view, through a dialog and out of it', async () => {
    const { page } = await look(browser, url, 'light', 1280);
    await signIn(page);
    await show(page, 'workers');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    const reach = async (name: string): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        await page.keyboard.press('Tab');
        if ((await page.evaluate('document.activeElement.textContent')) === name) return;
      }
      throw new Error(`${name} is not reached by Tab`);
    };
    await reach('Restart');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Restart');
    await reach('Engine log');
    await page.keyboard.press('Enter');
    await page.waitForSelector('pre.log');
    await page.context().close();
  });

  test('a worker dies and comes back before your eyes, with what happened in plain words', async () => {
    const { page, wrong } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await show(page, 'workers');
    await page.getByText('Ready', { exact: true }).first().waitFor();
    const victim = (await house.workers()).find(({ model }) => model === SECOND)!;
    const panel = page.locator('.worker', { hasText: victim.id });
    process.kill(victim.pid, 'SIGKILL');
    await panel.locator('.start').waitFor();
    await panel.locator('.callout.bad').waitFor();
    await panel.locator('.start .meter').waitFor();
    await page.screenshot({ path: join(SHOTS, 'worker-died.png'), fullPage: true });
    await page.locator('.worker.good', { hasText: victim.id }).waitFor();
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  test('a swap shows its progress, and its end', async () => {
    const { page, wrong } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await show(page, 'models');
    const panel = page.locator('.model', { hasText: THIRD });
    await panel.getByRole('button', { name: 'Load' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Load' }).click();
    await page.getByText('changes its model').waitFor();
    await page.locator('.swap ~ .meter-row [aria-valuenow]:not([aria-valuenow="0"])').waitFor();
    await page.screenshot({ path: join(SHOTS, 'swap.png') });
    await panel.getByText('Loaded', { exact: true }).waitFor();
    await page.getByText('changes its model').waitFor({ state: 'detached' });
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  test('a tab that comes back tells of no lost connection, and goes on', async () => {
    const { page, wrong } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await page.getByText('Live', { exact: true }).waitFor();
    const turn = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
      );
    // However briefly it is shown.
    await page.evaluate(
      `globalThis.told = []; new MutationObserver(() => document.querySelector('.lost') && told.push('lost')).observe(document.body, { childList: true, subtree: true })`,
    );
    await turn(true);
    // Longer than may pass without a word while somebody looks.
    await page.waitForTimeout(6_000);
    const asked = page.waitForRequest(/\/admin\/events$/);
    await turn(false);
    await asked;
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await page.evaluate('told')).toEqual([]);
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  test('where the sign-in is over there is the door, and it stays', async () => {
    const { page } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.context().clearCookies();
    await page.evaluate(`location.hash = '#/settings'`);
    await page.getByText('You are signed out').waitFor();
    // News that are still told do not open it again, however briefly.
    await page.evaluate(
      `globalThis.told = []; new MutationObserver(() => document.querySelector('nav.side') && told.push('open')).observe(document.body, { childList: true, subtree: true })`,
    );
    await page.waitForTimeout(4_000);
    expect(await page.evaluate('told')).toEqual([]);
    expect(await page.locator('#key').count()).toBe(1);
    await page.context().close();
  });

  // The last one: it ends the gateway for a while.
  test('what is shown is marked as old when the gateway is gone, and goes on when it is back, without another sign-in', async () => {
    const { page } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await page.getByText('Live', { exact: true }).waitFor();
    await house.stop();
    await page.getByText('The connection is lost. Trying again.').waitFor();
    await page.screenshot({ path: join(SHOTS, 'lost.png') });
    await house.begin();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await page.locator('.lost').count()).toBe(0);
    await page.context().close();
  });
});
