import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallSeen } from '../law/call-seen.ts';
import { refusedFor } from '../law/proofs.ts';
import { until } from '../../shows/scene.ts';
import type { Row } from './row.ts';
import type { Stage } from './stage.ts';

const SLOW_CLIENTS = 200;
const IDLE_CONNECTIONS = 2_000;
/** Those of this process that are left to everything else. */
const KEPT_FILES = 400;
const BURST = 300;
const LONG_ANSWER = 3_000;
/** Of each word, in bytes: more than systems keep between two programs that do not read. */
const PADDING = 3_000;
const SLOW_READERS = 10;
/** 64 KiB each time. */
const REST_MS = 25;
/** A slow reader takes longer than that for its answer, and holds its worker up for so long at least. */
const SLOW_MS = 2_000;
const HELD_MS = 200;
const CLOSED_MS = 20_000;

async function abortStorm({ traffic, chance }: Stage): Promise<void> {
  for (let i = 0; i < 30; i++) {
    traffic.send(10, (asked) => ({ ...asked, leaveMs: chance() * 80 }));
    await delay(50);
  }
}

/** How many connections this process, and a gateway started by it, may have. */
function possibleConnections(): number {
  const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return Math.min(IDLE_CONNECTIONS, Number(found ?? 1_024) - KEPT_FILES);
}

/** The gateway has let all of these go by itself. */
async function untilClosed({ odd }: Stage, count: number): Promise<void> {
  await until(() => odd.closed >= count, `the gateway has closed ${count} connections of slow clients`, CLOSED_MS);
}

/** Slow readers had their answers whole, at their own pace; meanwhile their worker was not read, and nobody else waited as long. */
function heldUp({ a, b }: Stage, calls: readonly CallSeen[]): string[] {
  const msOf = ({ sentMs, endMs }: CallSeen): number => endMs - sentMs;
  const slow = calls.filter(({ mark }) => mark.words === LONG_ANSWER);
  const others = calls.filter(({ mark }) => mark.words !== LONG_ANSWER);
  const fastest = Math.min(...slow.map(msOf));
  const heldMs = Math.max(a.longestHeldMs, b.longestHeldMs);
  return [
    ...calls.filter(({ ending }) => ending !== 'ok').map(({ id, ending, status, code }) => `${id} was ${ending} (${status} ${code})`),
    ...(slow.length === SLOW_READERS ? [] : [`there were ${slow.length} slow readers`]),
    ...(fastest >= SLOW_MS ? [] : [`a slow reader had its answer after ${Math.round(fastest)} ms`]),
    ...(heldMs >= HELD_MS ? [] : [`a worker waited for readers ${Math.round(heldMs)} ms at most: nothing was held back`]),
    ...others
      .filter((call) => msOf(call) >= fastest)
      .map((call) => `${call.id} waited ${Math.round(msOf(call))} ms, as long as a slow reader`),
  ];
}

/** There were refusals, each says when to come back, and nothing else went wrong. */
function refusedInTime(calls: readonly CallSeen[]): string[] {
  const wrong = calls.filter(({ ending }) => ending !== 'ok' && ending !== 'refused');
  return wrong.map(({ id, ending, status, code }) => `${id} was ${ending} (${status} ${code})`);
}

/** Rows in which clients are at fault. */
export const CLIENT_ROWS: readonly Row[] = [
  {
    name: 'abort-storm',
    fault: 'a storm of clients that leave',
    how: '300 calls in 1.5 s whose clients leave within 80 ms',
    holds: 'every other call answered',
    strike: async (stage) => {
      await abortStorm(stage);
      await delay(200);
      stage.struck += stage.calls.filter(({ ending }) => ending === 'left').length;
    },
    heal: () => undefined,
    holdMs: 0,
    setting: { maxSeqs: 64 },
    alone: true,
    allOk: true,
  },
  {
    name: 'slow-heads',
    fault: `slowloris ×${SLOW_CLIENTS}`,
    how: 'heads that come a byte at a time',
    holds: 'every other call answered, the slow ones closed',
    setting: { settings: { server: { header_timeout_ms: 1_000 } } },
    strike: ({ odd, gateway }) => odd.slowHeads(gateway.port, SLOW_CLIENTS),
    hold: (stage) => untilClosed(stage, SLOW_CLIENTS),
    heal: ({ odd }) => odd.end(),
    allOk: true,
  },
  {
    name: 'slow-bodies',
    fault: `slow bodies ×${SLOW_CLIENTS}`,
    how: 'bodies that come a byte at a time',
    holds: 'every other call answered, the slow ones closed',
    setting: { settings: { server: { upload_timeout_ms: 1_000 } } },
    strike: ({ odd, gateway }) => odd.slowBodies(gateway.port, SLOW_CLIENTS),
    hold: (stage) => untilClosed(stage, SLOW_CLIENTS),
    heal: ({ odd }) => odd.end(),
    allOk: true,
  },
  {
    name: 'idle-connections',
    fault: 'thousands of idle connections',
    how: `${IDLE_CONNECTIONS.toLocaleString('en')} clients that say nothing (fewer where ulimit -n is lower)`,
    holds: 'every call answered',
    strike: ({ odd, gateway }) => odd.idle(gateway.port, possibleConnections()),
    heal: ({ odd }) => odd.end(),
    alone: true,
    allOk: true,
  },
  {
    name: 'garbage',
    fault: 'clients that speak no HTTP',
    how: '100 connections with random bytes, 100 with a TLS greeting',
    holds: 'every call answered',
    strike: async ({ odd, gateway, chance }) => {
      await odd.garbage(gateway.port, 100, Buffer.from(Array.from({ length: 2_000 }, () => Math.floor(chance() * 256))));
      await odd.garbage(gateway.port, 100, Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...Array(500).fill(7)]));
    },
    heal: ({ odd }) => odd.end(),
    allOk: true,
  },
  {
    name: 'slow-readers',
    fault: 'clients that read slowly',
    how: `${SLOW_READERS} streams of 9 MB, 64 KiB read each ${REST_MS} ms`,
    holds: 'they have their answers at their own pace, their worker waits, no other call is held up',
    setting: { gapMs: 0, maxSeqs: 64, padding: PADDING, everyMs: 100 },
    alone: true,
    noLines: true,
    strike: (stage) => {
      const slowly = { stream: true, restMs: REST_MS };
      stage.traffic.send(SLOW_READERS, (asked) => ({ ...asked, ...slowly, mark: { ...asked.mark, words: LONG_ANSWER } }));
      stage.struck += SLOW_READERS;
    },
    heal: () => undefined,
    check: ({ stage, facts }) => heldUp(stage, facts.calls),
  },
  {
    name: 'burst',
    fault: 'a burst that fills the queue',
    how: `${BURST} calls at the same moment, 8 places, a queue of 60`,
    holds: 'refusals are 503 with Retry-After, nothing else goes wrong',
    setting: { maxSeqs: 4, gapMs: 20 },
    strike: async (stage) => {
      stage.traffic.send(BURST);
      stage.struck += BURST;
      await delay(10);
    },
    heal: () => undefined,
    terms: { statuses: [503] },
    proofs: [refusedFor('queue_full')],
    check: ({ facts }) => refusedInTime(facts.calls),
  },
];
