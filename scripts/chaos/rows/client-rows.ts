import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallSeen } from '../law/call-seen.ts';
import type { Row } from './row.ts';
import type { Stage } from './stage.ts';

const SLOW_CLIENTS = 200;
const IDLE_CONNECTIONS = 2_000;
/** Those of this process that are left to everything else. */
const KEPT_FILES = 400;
const BURST = 300;
const LONG_ANSWER = 8_000;

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

/** Calls of clients that read as they should. */
function heldUp(calls: readonly CallSeen[]): string[] {
  const others = calls.filter(({ mark, ending }) => mark.words !== LONG_ANSWER && ending !== 'ok');
  return others.map(({ id, ending, status, code }) => `${id} was held up: ${ending} (${status} ${code})`);
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
      stage.struck += stage.calls.filter(({ ending }) => ending === 'left').length;
    },
    heal: () => undefined,
    holdMs: 200,
    setting: { maxSeqs: 64 },
    allOk: true,
  },
  {
    name: 'slow-heads',
    fault: `slowloris ×${SLOW_CLIENTS}`,
    how: 'heads that come a byte at a time',
    holds: 'every other call answered',
    setting: { settings: { server: { header_timeout_ms: 1_000 } } },
    strike: ({ odd, gateway }) => odd.slowHeads(gateway.port, SLOW_CLIENTS),
    heal: ({ odd }) => odd.end(),
    allOk: true,
  },
  {
    name: 'slow-bodies',
    fault: `slow bodies ×${SLOW_CLIENTS}`,
    how: 'bodies that come a byte at a time',
    holds: 'every other call answered',
    setting: { settings: { server: { upload_timeout_ms: 1_000 } } },
    strike: ({ odd, gateway }) => odd.slowBodies(gateway.port, SLOW_CLIENTS),
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
    how: `10 streams of ${LONG_ANSWER.toLocaleString('en')} words, 64 KiB read each 100 ms`,
    holds: 'no other call is held up',
    setting: { gapMs: 0, maxSeqs: 64 },
    strike: (stage) => {
      stage.traffic.send(10, (asked) => ({ ...asked, stream: true, mark: { ...asked.mark, words: LONG_ANSWER }, restMs: 100 }));
      stage.struck += 10;
    },
    heal: () => undefined,
    check: ({ stage }) => heldUp(stage.calls),
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
  },
];
