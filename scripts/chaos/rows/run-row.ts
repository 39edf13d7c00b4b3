import { setTimeout as delay } from 'node:timers/promises';
import type { Asked } from '../calls/ask.ts';
import { linesSeen, submitLines } from '../calls/batch-lines.ts';
import { isWell, leftNow, plainFiles, type Stats, statsOf } from '../gateway/look.ts';
import { recoveryMs, tallyOf } from '../law/call-tally.ts';
import type { Terms } from '../law/law.ts';
import { leaks, type Left } from '../law/leaks.ts';
import type { Facts } from '../law/proofs.ts';
import { until } from '../../shows/scene.ts';
import { seeded } from '../../load/workload/seeded.ts';
import { judge } from './judge.ts';
import type { CleanUp, Row } from './row.ts';
import type { RowResult } from './row-result.ts';
import { type Setting, Stage } from './stage.ts';

const BEFORE_MS = 500;
const HOLD_MS = 2_500;
const RECOVER_MS = 45_000;
const READY_MS = 30_000;
const LINES = 12;
const LINES_MS = 45_000;
const SETTLE_MS = 12_000;
const EXIT_MS = 15_000;
/** So many calls in a row that are well are called a recovery. */
const SOUND_CALLS = 15;
const LOOK_MS = 40;

/** Sets a stage up. */
export type OpenStage = (setting: Setting, chance: () => number) => Promise<Stage>;

/** Plays one row on a stage of its own. Never rejects. `seed`: of what is left to chance. */
export async function runRow(row: Row, seed: number, open: OpenStage = (...given) => Stage.open(...given)): Promise<RowResult> {
  const begun = performance.now();
  const ends: (() => unknown)[] = [];
  const head = { name: row.name, fault: row.fault, how: row.how, holds: row.holds };
  const nothing = { struck: 0, tally: null, lines: null, detectMs: null, recoverMs: null, left: null };
  const failed = (message: string): RowResult => ({
    ...{ ...head, ...nothing, verdict: 'failed', notes: [message], ms: performance.now() - begun },
  });
  let result: RowResult;
  try {
    const missing = row.missing?.() ?? null;
    if (missing !== null) return { ...head, ...nothing, verdict: 'skipped', notes: [missing], ms: 0 };
    const played = await play(row, seed, open, (end) => void ends.push(end));
    result = { ...head, ...played, verdict: played.notes.length > 0 ? 'broken' : 'survived', ms: performance.now() - begun };
  } catch (error) {
    result = failed((error as Error).message);
  }
  const unended: string[] = [];
  for (const end of ends.reverse()) {
    try {
      await end();
    } catch (error) {
      unended.push(`something that was started for the row could not be ended: ${(error as Error).message}`);
    }
  }
  if (unended.length === 0) return result;
  return { ...result, verdict: result.verdict === 'survived' ? 'failed' : result.verdict, notes: [...result.notes, ...unended] };
}

type Played = Omit<RowResult, 'name' | 'fault' | 'how' | 'holds' | 'verdict' | 'ms'>;

async function play(row: Row, seed: number, open: OpenStage, cleanUp: CleanUp): Promise<Played> {
  const setting = typeof row.setting === 'function' ? await row.setting(cleanUp) : (row.setting ?? {});
  await using stage = await open(setting, seeded(seed));
  const first = await firstOfAll(stage);
  const known = { restFiles: plainFiles(stage.gateway), openAtWorkers: () => stage.openAtWorkers() };
  const isEngine = setting.engines !== undefined;
  const expected = isEngine ? await referenceAnswers(stage) : undefined;
  const traffic = stage.begin('c', isEngine ? { change: aboutTopic } : {});
  traffic.start();
  const lines = row.noLines === true || isEngine ? null : await submitLines(stage.gateway.url, LINES, 'l');
  await delay(BEFORE_MS);

  const struckMs = performance.now();
  stage.log.listenFrom = struckMs;
  const watch = watchStats(stage);
  await row.strike(stage);
  await (row.hold?.(stage, struckMs) ?? delay(row.holdMs ?? HOLD_MS));
  const strikes = stage.strikes;
  const healedMs = performance.now();
  await row.heal(stage);
  const soundMs = performance.now();
  const notes: string[] = [];
  await until(() => hasRecovered(stage, healedMs), 'recovery', row.recoverMs ?? RECOVER_MS).catch(() => {
    notes.push(`calls were not well again ${row.recoverMs ?? RECOVER_MS} ms after the fault`);
  });
  watch.stop();
  await stage.endTraffic();
  const seen = lines === null ? null : await linesSeen(stage.gateway.url, lines, LINES_MS, row.terms?.isSpoilt !== true);
  const left = await whatIsLeft(stage, known);
  stage.odd.end();
  const facts = (): Facts => factsOf(stage, first, { struckMs, healedMs, soundMs });
  notes.push(...((await row.check?.({ stage, facts: facts() })) ?? []), ...stage.noted.said);
  // The log is written in pieces: the last of it comes with the gateway's end.
  const end = await stopped(stage);
  const { dropped, gateway, log } = stage;
  const judged = { strikes, dropped, lines: seen, left, ended: gateway.ended, internalErrors: log.internalErrors };
  notes.push(...judge(row, { ...judged, facts: facts(), ...(expected && { expected }) }), ...end);
  return {
    notes,
    struck: strikes,
    tally: tallyOf(stage.calls),
    lines: seen && { lines: seen.lines, failed: seen.failed },
    detectMs: log.toldMs === null ? null : log.toldMs - struckMs,
    recoverMs: recoveryMs(stage.calls, healedMs),
    left,
  };
}

/** The name of the first worker, once all are ready. */
async function firstOfAll(stage: Stage): Promise<string> {
  let stats: Stats | null = null;
  await until(
    async () => {
      stats = await statsOf(stage.gateway);
      return stats !== null && isWell(stats);
    },
    'every worker is ready',
    READY_MS,
  );
  return stats!.workers[0]?.id ?? '';
}

function factsOf(stage: Stage, first: string, moments: Pick<Facts, 'struckMs' | 'healedMs' | 'soundMs'>): Facts {
  const { a, b, line, log, calls } = stage;
  return {
    ...moments,
    calls,
    strikes: [...a.strikes, ...b.strikes, ...line.strikes].toSorted((x, y) => x.atMs - y.atMs),
    asked: [a.asked, b.asked],
    away: log.leftAlone(first, moments.struckMs),
    triesMs: log.tries(first),
    attempts: log.attempts,
  };
}

/** Calls that were sent after the fault are well, the last so many without an exception, and so are workers and breakers. */
async function hasRecovered(stage: Stage, healedMs: number): Promise<boolean> {
  const since = stage.calls.filter(({ sentMs, ending }) => sentMs >= healedMs && ending !== 'left').sort((x, y) => x.sentMs - y.sentMs);
  if (since.length < SOUND_CALLS || since.slice(-SOUND_CALLS).some(({ ending }) => ending !== 'ok')) return false;
  const stats = await statsOf(stage.gateway);
  return stats !== null && isWell(stats);
}

/** A worker that is not ready, or a breaker that is not closed, is told as well. */
function watchStats(stage: Stage): { stop(): void } {
  let isStopped = false;
  void (async () => {
    while (!isStopped && !stage.isOver && stage.log.toldMs === null) {
      const stats = await statsOf(stage.gateway);
      if (stats && !isWell(stats)) stage.log.told();
      await delay(LOOK_MS);
    }
  })();
  return { stop: () => (isStopped = true) };
}

async function whatIsLeft(stage: Stage, known: Parameters<typeof leftNow>[1]): Promise<Left | null> {
  let left: Left | null = null;
  const isClear = async (): Promise<boolean> => {
    left = await leftNow(stage.gateway, known);
    return left !== null && leaks(left).length === 0;
  };
  await until(isClear, 'nothing is left', SETTLE_MS).catch(() => {});
  return left;
}

/** It ends when it is told to, and well. */
async function stopped(stage: Stage): Promise<string[]> {
  stage.gateway.signal('SIGTERM');
  const code = await stage.gateway.exit(EXIT_MS);
  return code === 0 ? [] : [`the gateway, told to stop, ended with ${code ?? 'nothing'}`];
}

const TOPICS = ['rivers', 'gates', 'mills', 'weirs', 'canals', 'locks', 'dams', 'wells'];
const TOPIC_WORDS = 12;

/** Simulated engines know no marks: each topic has the answer that it had before. */
function aboutTopic(asked: Asked, at: number): Asked {
  return { ...asked, ...about(at), mark: { ...asked.mark, words: TOPIC_WORDS } };
}

function about(at: number): Pick<Asked, 'prompt' | 'extra'> {
  return { prompt: `Tell of ${TOPICS[at % TOPICS.length]}.`, extra: { seed: 7, ignore_eos: true } };
}

async function referenceAnswers(stage: Stage): Promise<NonNullable<Terms['expected']>> {
  const texts: string[] = [];
  for (const at of TOPICS.keys()) {
    const mark = { id: `reference-${at}`, words: TOPIC_WORDS };
    const call = await stage.askAlone(mark.id, { mark, ...about(at) });
    if (call.ending !== 'ok') throw new Error(`a simulated engine did not answer before the fault: ${call.status} ${call.code}`);
    texts.push(call.text);
  }
  return ({ id }) => (/^(?:c|reference)-\d+$/.test(id) ? texts[Number(id.split('-')[1]) % TOPICS.length]! : null);
}
