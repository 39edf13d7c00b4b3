import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHROMIUM } from '../support/browser.ts';
import { FIRST, type House, KEYS, runHeadgate, SECOND, THIRD } from './house.ts';
import { look, openBrowser, signIn } from './looking.ts';

// npm run show:console: the picture of the console that the README shows, in both themes, of a house with four simulated workers in which
// something goes on. Takes four minutes.

const FOLDER = join(import.meta.dirname, '../../deploy/console');
const MINUTES = 3;
const BEAT_MS = 250;
const MOST_BYTES = 150_000;
/** How many are under way at most, as the traffic goes up and down. */
const [LEAST, MOST] = [10, 54];

/** Calls of all models for some minutes: in two waves, with a bulge near the end. @returns how many were answered */
async function traffic(house: House): Promise<number> {
  const began = performance.now();
  const length = MINUTES * 60_000;
  let [underWay, seed, answered] = [0, 0, 0];
  for (let at = 0; at < length; at = performance.now() - began) {
    const share = at / length;
    const wave = 0.5 - 0.5 * Math.cos(share * 4 * Math.PI);
    const wanted = LEAST + (MOST - LEAST) * wave;
    for (let i = 0; underWay < wanted && i < 4; i++) {
      seed++;
      underWay++;
      const model = [FIRST, FIRST, FIRST, SECOND, SECOND, THIRD][seed % 6]!;
      const ask = { model, seed, tokens: 40 + ((seed * 37) % 160), key: seed % 9 === 0 ? KEYS.long : KEYS.web };
      void house.chat(ask).then(
        (status) => {
          underWay--;
          if (status === 200) answered++;
        },
        () => underWay--,
      );
    }
    if (seed % 40 === 0) void house.chat({ model: FIRST, seed, key: 'hg-console-of-nobody' }).catch(() => {});
    await sleep(BEAT_MS);
  }
  return answered;
}

if (CHROMIUM === null) throw new Error('There is no Chromium on the PATH.');
const house = await runHeadgate({ SIM_GPU: 'l4,l4,l4,l4', SIM_SPEED: '1', HEADGATE_SUPERVISOR__REPLICAS: '2' });
const browser = await openBrowser();
try {
  mkdirSync(FOLDER, { recursive: true });
  const busy = traffic(house);
  await sleep((MINUTES * 60 - 20) * 1_000);
  for (const theme of ['dark', 'light'] as const) {
    const { page } = await look(browser, house.url, theme, 1280);
    await signIn(page);
    await sleep(5_000);
    const path = join(FOLDER, `overview-${theme}.png`);
    await page.screenshot({ path, clip: { x: 0, y: 0, width: 1280, height: 860 } });
    const { size } = statSync(path);
    console.log(`${path}: ${Math.round(size / 1000)} KB`);
    if (size > MOST_BYTES) process.exitCode = 1;
  }
  console.log(`${await busy} calls were answered meanwhile.`);
} finally {
  await browser.close();
  await house.end();
}
