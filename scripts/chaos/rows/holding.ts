import { setTimeout as delay } from 'node:timers/promises';
import { statsOf } from '../gateway/look.ts';
import { until } from '../../shows/scene.ts';
import type { Stage } from './stage.ts';

const AWAY_MS = 20_000;
/** So long calls go on while the worker is left alone. */
const LONGER_MS = 2_500;

/** A fault lasts until the gateway leaves the first worker alone, and a while longer, so that calls show where they go then. */
export async function untilLeftAlone(stage: Stage, struckMs: number): Promise<void> {
  const first = (await statsOf(stage.gateway))?.workers[0]?.id ?? '';
  const isAway = (): boolean => stage.log.leftAlone(first, struckMs).length > 0;
  // That it never is the row says itself.
  await until(isAway, 'the worker is left alone', AWAY_MS).catch(() => {});
  await delay(LONGER_MS);
}
