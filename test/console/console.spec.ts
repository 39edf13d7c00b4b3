import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { CHROMIUM } from '../support/browser.ts';
import { until } from '../support/gateway.ts';
import { FIRST, look, openBrowser, runHeadgate, SECOND, seriousFaults, signIn, type Theme } from './looking.ts';

const SHOTS = join(import.meta.dirname, 'shots');
const VIEWS = ['', 'workers', 'models', 'calls', 'try', 'batches', 'keys', 'settings'];
const HEADS = ['Overview', 'Workers', 'Models', 'Calls', 'Try it', 'Batches', 'Keys', 'Settings'];

describe.skipIf(CHROMIUM === null)(CHROMIUM === null ? 'no Chromium on the PATH, so not tried' : 'the console in Chromium', () => {
  let house: Awaited<ReturnType<typeof runHeadgate>>;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    house = await runHeadgate();
    ({ url } = house);
    browser = await openBrowser();
    for (let i = 0; i < 6; i++) await chat(i);
  });
  afterAll(async () => {
    await browser?.close();
    await house?.end();
  });

  async function chat(seed: number): Promise<void> {
    const body = { model: FIRST, seed, stream: true, max_tokens: 20, messages: [{ role: 'user', content: 'What is a gate?' }] };
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    await answer.text();
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
    const status = (await (await fetch(`${url}/admin/status`, { headers: AS_ADMIN })).json()) as { workers: { pid: number }[] };
    process.kill(status.workers[0]!.pid, 'SIGKILL');
    await page.locator('.start').waitFor();
    await page.screenshot({ path: join(SHOTS, 'worker-died.png') });
    await page.locator('.callout.bad').waitFor();
    await page.locator('.worker.good').waitFor();
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  test('a swap shows its progress, and its end', async () => {
    const { page, wrong } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await show(page, 'models');
    const panel = page.locator('.model', { hasText: SECOND });
    await panel.getByRole('button', { name: 'Load' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Load' }).click();
    await page.getByText('changes its model').waitFor();
    await page.screenshot({ path: join(SHOTS, 'swap.png') });
    await panel.getByText('Loaded', { exact: true }).waitFor();
    await page.getByText('changes its model').waitFor({ state: 'detached' });
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  // The last one: it ends the gateway.
  test('what is shown is marked as old when the gateway is gone', async () => {
    const { page } = await look(browser, url, 'dark', 1280);
    await signIn(page);
    await page.getByText('Live', { exact: true }).waitFor();
    house.program.child.kill('SIGTERM');
    await house.program.exited;
    await until(async () => (await page.locator('.pulse.stale, .pulse.lost').count()) === 1, 'marked as old');
    await page.context().close();
  });
});
