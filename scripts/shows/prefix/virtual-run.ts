import type { Worker, WorkerView } from '../../../gateway/core/worker.ts';
import { readPrefix } from '../../../gateway/openai/prefix/read-prefix.ts';
import { findGpu } from '../../../supervisor/sim/card/find-gpu.ts';
import { chatPrompt } from '../../../supervisor/sim/chat/chat-prompt.ts';
import { stepCost } from '../../../supervisor/sim/engine/step-time.ts';
import { describeModel } from '../../../supervisor/sim/model/describe-model.ts';
import { encode } from '../../../supervisor/sim/text/tokenizer.ts';
import { seeded } from '../../load/workload/seeded.ts';
import { Agenda } from './agenda.ts';
import { type Arm, type Asked, chooserOf } from './arms.ts';
import type { CallSeen, Run } from './figures.ts';
import type { Load, Turn } from './loads.ts';
import { VirtualEngine } from './virtual-engine.ts';

const CHAT = '/v1/chat/completions';
const HEAD_CHARS = 256;
/** As `pressure.scrape_interval_ms` is. */
const SCRAPE_MS = 500;
/** As processes tell each other. */
const TOLD_AFTER_MS = 100;

/** One gateway · two of them, of which each knows its own calls, and any gets the next · one of two processes, which tell each other. */
export const HOUSES = ['one', 'two gateways', 'two processes'] as const;
export type House = (typeof HOUSES)[number];

/** The load under one arm, in a time of its own: for one seed the same to the last figure. */
export function runVirtually(load: Load, arm: Arm, seed: number, house: House = 'one'): Run {
  const agenda = new Agenda();
  const cost = stepCost(findGpu(load.gpu)!, describeModel(load.model, null), { enforceEager: false, kvCacheBytesPerElement: 2 });
  const engines = Array.from({ length: load.workers }, () => new VirtualEngine(agenda, cost, load.seats, load.kvTokens));
  const uniform = seeded(seed);
  const sides = Array.from({ length: house === 'one' ? 1 : 2 }, () => {
    const workers = engines.map((_, at) => workerOf(`w${at}`, load));
    const has = (worker: Worker, prompt: readonly number[]): number => engines[workers.indexOf(worker)]!.has(prompt);
    return { workers, chooser: chooserOf(arm, workers, { next: uniform }, has) };
  });
  const calls: CallSeen[] = [];
  const imbalances: number[] = [];
  let open = 0;
  const send = (turn: Turn): void => {
    open++;
    const asked = askedOf(turn, load.model);
    const side = sides[Math.floor(uniform() * sides.length)]!;
    const inFlight = engines.map((_, at) => sides.reduce((sum, side) => sum + side.workers[at]!.inFlight, 0));
    const all = inFlight.reduce((sum, count) => sum + count, 0);
    if (all > 0) imbalances.push((Math.max(...inFlight) * engines.length) / all);
    follow(turn, asked, side);
  };
  const follow = (turn: Turn, asked: Asked, side: (typeof sides)[number]): void => {
    const { workers, chooser } = side;
    const from = agenda.now;
    const { worker, onRead } = chooser.choose(asked, from);
    if (house === 'two processes') agenda.after(TOLD_AFTER_MS, () => tellOthers(side, workers.indexOf(worker), asked));
    let ttftMs = NaN;
    worker.inFlight++;
    engines[workers.indexOf(worker)]!.submit(asked.prompt, encode(turn.answer), {
      onFirstToken() {
        ttftMs = agenda.now - from;
        onRead();
      },
      onEnd() {
        worker.inFlight--;
        open--;
        calls.push({ kind: turn.kind, ttftMs, e2eMs: agenda.now - from });
        if (turn.next === null) return;
        const { afterMs, turn: next } = turn.next([...turn.messages, { role: 'assistant', content: turn.answer }]);
        open++;
        agenda.after(afterMs, () => {
          open--;
          send(next);
        });
      },
    });
  };
  const tellOthers = (from: (typeof sides)[number], at: number, { prefix }: Asked): void => {
    for (const side of sides) if (side !== from && prefix !== null) side.chooser.hear(side.workers[at]!, prefix.blocks);
  };
  const arrivals = load.arrivals(seed);
  const last = arrivals.at(-1)?.atMs ?? 0;
  for (const { atMs, turn } of arrivals) agenda.after(atMs, () => send(turn));
  const scrape = (): void => {
    for (const { workers } of sides) {
      for (const [at, { load: seen, inFlight }] of workers.entries()) {
        const { running, waiting } = engines[at]!.scheduler;
        Object.assign(seen, { running, waiting, scrapedAt: agenda.now, inFlightAtScrape: inFlight });
      }
    }
    if (agenda.now < last || open > 0) agenda.after(SCRAPE_MS, scrape);
  };
  scrape();
  agenda.run();
  return {
    calls,
    queries: engines.reduce((sum, { scheduler }) => sum + scheduler.prefixQueries, 0),
    hits: engines.reduce((sum, { scheduler }) => sum + scheduler.prefixHits, 0),
    prefilled: engines.reduce((sum, { prefilled }) => sum + prefilled, 0),
    imbalance: imbalances.reduce((sum, value) => sum + value, 0) / imbalances.length,
  };
}

function askedOf({ messages }: Turn, model: string): Asked {
  const body = { messages: messages.map((message) => ({ ...message })) };
  const head = messages.map(({ content }) => content.slice(0, HEAD_CHARS)).join('');
  return { prefix: readPrefix(body, CHAT, model, false), head: head.slice(0, HEAD_CHARS), prompt: chatPrompt(body.messages, {}) };
}

export function workerOf(id: string, { seats, kvTokens }: Pick<Load, 'seats' | 'kvTokens'>): Worker {
  return {
    id,
    view: { id, state: 'ready', maxNumSeqs: seats } as WorkerView,
    load: {
      ...{ running: 0, waiting: 0, kvUsage: 0, kvCacheBytes: null, kvCacheTokens: kvTokens, scrapedAt: null, inFlightAtScrape: 0 },
      ...{ work: null, workedAt: null, movedAt: null, withheldAt: null, bornAt: null },
    },
    ...{ inFlight: 0, unanswered: 0, life: { since: 0 } },
    get transport(): never {
      throw new Error('nothing is sent');
    },
  };
}
