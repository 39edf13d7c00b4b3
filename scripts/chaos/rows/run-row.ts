import { setTimeout as delay } from 'node:timers/promises';
import type { Asked } from '../calls/ask.ts';
import { type Lines, linesSeen, type LinesSeen, submitLines } from '../calls/batch-lines.ts';
import { isWell, leftNow, plainFiles, statsOf } from '../gateway/look.ts';
import { recoveryMs, tallyOf } from '../law/call-tally.ts';
import type { CallSeen } from '../law/call-seen.ts';
import { breaches, type Terms } from '../law/law.ts';
import { leaks, type Left } from '../law/leaks.ts';
import { until } from '../../shows/scene.ts';
import { seeded } from '../../load/workload/seeded.ts';
import type { CleanUp, Row } from './row.ts';
import type { RowResult } from './row-result.ts';
import { LIMIT_MS } from './settings.ts';
import { Stage } from './stage.ts';

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
const USUAL: Terms = { limitMs: LIMIT_MS, statuses: [429, 502, 503, 504], isKilled: false, mayRefuse: false, isSpoilt: false };

/** Plays one row on a stage of its own. Never rejects. `seed`: of what is left to chance. */
export async function runRow(row: Row, seed: number): Promise<RowResult> {
  const begun = performance.now();
  const ends: (() => unknown)[] = [];
  const head = { name: row.name, fault: row.fault, how: row.how, holds: row.holds };
  const nothing = { struck: 0, tally: null, lines: null, detectMs: null, recoverMs: null, left: null };
  const missing = row.missing?.() ?? null;
  if (missing !== null) return { ...head, ...nothing, verdict: 'skipped', notes: [missing], ms: 0 };
  try {
    const result = await play(row, seed, (end) => void ends.push(end));
    return { ...head, ...result, verdict: result.notes.length > 0 ? 'broken' : 'survived', ms: performance.now() - begun };
  } catch (error) {
    return { ...head, ...nothing, verdict: 'failed', notes: [(error as Error).message], ms: performance.now() - begun };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

type Played = Omit<RowResult, 'name' | 'fault' | 'how' | 'holds' | 'verdict' | 'ms'>;

async function play(row: Row, seed: number, cleanUp: CleanUp): Promise<Played> {
  const setting = typeof row.setting === 'function' ? await row.setting(cleanUp) : (row.setting ?? {});
  await using stage = await Stage.open(setting, seeded(seed));
  await until(async () => isWell((await statsOf(stage.gateway)) ?? UNWELL), 'every worker is ready', READY_MS);
  const known = { restFiles: plainFiles(stage.gateway), openAtWorkers: () => stage.a.openRequests + stage.b.openRequests };
  const isEngine = setting.engines !== undefined;
  const terms: Terms = { ...USUAL, ...(isEngine ? await referenceTerms(stage) : {}), ...row.terms };
  const traffic = stage.begin('c', isEngine ? { change: aboutTopic } : {});
  traffic.start();
  const lines = row.noLines === true || isEngine ? null : await submitLines(stage.gateway.url, LINES, 'l');
  await delay(BEFORE_MS);

  const struckMs = performance.now();
  stage.listenFrom = struckMs;
  const watch = watchStats(stage);
  await row.strike(stage);
  await delay(row.holdMs ?? HOLD_MS);
  const strikes = stage.strikes;
  const healedMs = performance.now();
  await row.heal(stage);
  const notes: string[] = [];
  await until(() => hasRecovered(stage, healedMs), 'recovery', row.recoverMs ?? RECOVER_MS).catch(() => {
    notes.push(`calls were not well again ${row.recoverMs ?? RECOVER_MS} ms after the fault`);
  });
  watch.stop();
  await stage.traffic.end();
  const seen = await seenLines(stage, lines);
  const left = await whatIsLeft(stage, known);
  stage.odd.end();
  notes.push(...(await (row.check?.({ stage, struckMs, healedMs }) ?? [])), ...(seen?.faults ?? []));
  // The log is written in pieces: the last of it comes with the gateway's end.
  const end = await stopped(stage);
  notes.push(...breaches(stage.calls, stage.gateway.ended, terms), ...costs(row, stage.calls), ...stage.internalErrors);
  notes.push(...(left === null ? ['nobody answers GET /stats and /metrics'] : leaks(left)), ...end);
  if (strikes === 0) notes.push('the fault has struck nothing');
  return {
    notes,
    struck: strikes,
    tally: tallyOf(stage.calls),
    lines: seen && { lines: seen.lines, failed: seen.failed },
    detectMs: stage.toldMs === null ? null : stage.toldMs - struckMs,
    recoverMs: recoveryMs(stage.calls, healedMs),
    left,
  };
}

const UNWELL = { workers: [{ id: '', state: 'starting', in_flight: 0 }], breakers: {} } as never;

/** What the row itself promises of its calls. */
function costs({ allOk }: Row, calls: readonly CallSeen[]): string[] {
  const wrong = allOk === true ? calls.filter(({ ending }) => ending !== 'ok' && ending !== 'left') : [];
  return wrong.map(({ id, ending, status, code }) => `${id} was to be answered, and was ${ending} (${status} ${code})`);
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
    while (!isStopped && !stage.isOver && stage.toldMs === null) {
      const stats = await statsOf(stage.gateway);
      if (stats && !isWell(stats)) stage.toldMs ??= performance.now();
      await delay(LOOK_MS);
    }
  })();
  return { stop: () => (isStopped = true) };
}

async function seenLines(stage: Stage, lines: Lines | null): Promise<LinesSeen | null> {
  return lines === null ? null : linesSeen(stage.gateway.url, lines, LINES_MS);
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

async function referenceTerms(stage: Stage): Promise<Pick<Terms, 'expected'>> {
  const texts: string[] = [];
  for (const at of TOPICS.keys()) {
    const mark = { id: `reference-${at}`, words: TOPIC_WORDS };
    const call = await stage.askAlone(mark.id, { mark, ...about(at) });
    if (call.ending !== 'ok') throw new Error(`a simulated engine did not answer before the fault: ${call.status} ${call.code}`);
    texts.push(call.text);
  }
  return { expected: ({ id }) => (/^(?:c|reference)-\d+$/.test(id) ? texts[Number(id.split('-')[1]) % TOPICS.length]! : null) };
}
