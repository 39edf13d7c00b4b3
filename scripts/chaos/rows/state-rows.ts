import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { upload } from '../../shows/batch.ts';
import { FaultProxy, type LineFault } from '../faults/fault-proxy.ts';
import { listenOn } from '../faults/listen-on.ts';
import { Postgres, whyNoPostgres } from '../faults/postgres.ts';
import { Redis, whyNoRedis } from '../faults/redis.ts';
import { SmallDisk, whyNoDisk } from '../faults/small-disk.ts';
import { until } from '../../shows/scene.ts';
import type { CleanUp, Row } from './row.ts';
import type { Setting, Stage } from './stage.ts';

const HOLD_MS = 2_500;
const MEETS_MS = 20_000;
const UNLIMITED = { requests_per_minute: 1_000_000, concurrent_requests: 10_000 };

/** What a row needs besides workers, made with its stage; a row's parts are made anew each time it is played. */
interface Beside {
  line: FaultProxy;
  postgres?: Postgres;
}

function row(over: Omit<Row, 'setting' | 'strike' | 'heal'>, parts: Parts): Row {
  let beside: Beside;
  let before = 0;
  const met = (stage: Stage): number => parts.met?.(beside, stage) ?? beside.line.hits - before;
  return {
    ...over,
    setting: async (cleanUp) => {
      const made = await parts.make(cleanUp);
      beside = made.beside;
      return made.setting;
    },
    strike: (stage) => {
      before = beside.line.hits;
      return parts.strike(beside, stage);
    },
    hold: async (stage) => {
      await delay(HOLD_MS);
      // By far not everything is asked for at each moment.
      await until(() => met(stage) > 0, 'something meets the fault', MEETS_MS).catch(() => {});
      stage.struck += met(stage);
    },
    heal: (stage) => parts.heal(beside, stage),
  };
}

interface Parts {
  readonly make: (cleanUp: CleanUp) => Promise<{ readonly beside: Beside; readonly setting: Setting }>;
  readonly strike: (beside: Beside, stage: Stage) => unknown;
  readonly heal: (beside: Beside, stage: Stage) => unknown;
  /** How often something has met the fault; absent: whatever was on the line. */
  readonly met?: (beside: Beside, stage: Stage) => number;
}

async function lineTo(to: { readonly port: number }, cleanUp: CleanUp): Promise<FaultProxy> {
  const line = new FaultProxy(to);
  await line.listen();
  cleanUp(() => line.close());
  return line;
}

async function withRedis(cleanUp: CleanUp): Promise<{ readonly beside: Beside; readonly setting: Setting }> {
  const redis = await Redis.start();
  cleanUp(() => redis.stop());
  const line = await lineTo(redis, cleanUp);
  const settings = { state: { url: `redis://127.0.0.1:${line.port}` }, limits: { anonymous: UNLIMITED } };
  return { beside: { line }, setting: { settings } };
}

async function withPostgres(cleanUp: CleanUp): Promise<{ readonly beside: Beside; readonly setting: Setting }> {
  const postgres = await Postgres.start();
  cleanUp(() => postgres.stop());
  const line = await lineTo(postgres, cleanUp);
  const settings = { database: { url: postgres.urlBy(line.port) }, limits: { anonymous: { ...UNLIMITED, tokens_per_day: 1e12 } } };
  return { beside: { line, postgres }, setting: { settings } };
}

async function withCollector(cleanUp: CleanUp): Promise<{ readonly beside: Beside; readonly setting: Setting }> {
  const make = (): Server => createServer((request, response) => request.resume().once('end', () => response.writeHead(200).end()));
  let collector = make();
  const port = await listenOn(
    () => collector,
    0,
    () => (collector = make()),
  );
  cleanUp(() => void collector.close());
  const line = await lineTo({ port }, cleanUp);
  return { beside: { line }, setting: { settings: { telemetry: { otlp_endpoint: line.url, sample_ratio: 1 } } } };
}

const failing = (fault: LineFault, lateMs = 0): Pick<Parts, 'strike' | 'heal'> => ({
  strike: ({ line }) => line.fail(fault, lateMs),
  heal: ({ line }) => line.heal(),
});
const closing: Pick<Parts, 'strike' | 'heal'> = {
  strike: async ({ line }) => {
    await until(() => line.connections > 0, 'a connection that is to be cut', MEETS_MS);
    await line.close();
  },
  heal: ({ line }) => line.reopen(),
};

async function killed({ postgres }: Beside): Promise<void> {
  if (!(await postgres!.kill())) throw new Error('PostgreSQL did not run');
}

/** The collector was to have spans, and the log tells that it has not. */
const spansLost: Pick<Parts, 'met'> = { met: (_, { log }) => log.since(log.listenFrom, 'traces.lost').length };
const TRACED = { allOk: true, holds: 'every call answered; the log tells that spans are lost' } as const;
const ALL_OK = { allOk: true, holds: 'every call answered' } as const;

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const HOUR_MS = 3_600_000;
/** A line comes so late at most. */
const CLOCK_MS = 120_000;
let clockFile = '';
let disk: SmallDisk | null = null;

/** Rows in which what the gateway keeps things in is slow, full or gone. */
export const STATE_ROWS: readonly Row[] = [
  row(
    { name: 'redis-down', fault: 'Redis down', how: 'its port closed, connections reset', missing: whyNoRedis, ...ALL_OK },
    { make: withRedis, ...closing },
  ),
  row(
    { name: 'redis-slow', fault: 'Redis slow, 30 s', how: 'a proxy that holds back each piece for 30 s', missing: whyNoRedis, ...ALL_OK },
    { make: withRedis, ...failing('late', 30_000) },
  ),
  row(
    { name: 'redis-silent', fault: 'Redis silent', how: 'a proxy that swallows everything', missing: whyNoRedis, ...ALL_OK },
    { make: withRedis, ...failing('blackhole') },
  ),
  row(
    { name: 'postgres-down', fault: 'PostgreSQL killed', how: 'SIGQUIT to it, started again', missing: whyNoPostgres, ...ALL_OK },
    { make: withPostgres, strike: killed, heal: ({ postgres }) => postgres!.launch() },
  ),
  row(
    { name: 'postgres-silent', fault: 'PostgreSQL silent', how: 'a proxy that swallows everything', missing: whyNoPostgres, ...ALL_OK },
    { make: withPostgres, ...failing('blackhole') },
  ),
  row(
    { name: 'otlp-down', fault: 'collector of traces down', how: 'its port closed; every call is traced', ...TRACED },
    { make: withCollector, ...closing, ...spansLost },
  ),
  row(
    { name: 'otlp-silent', fault: 'collector of traces silent', how: 'it accepts and never answers', ...TRACED },
    { make: withCollector, ...failing('blackhole'), ...spansLost },
  ),
  {
    name: 'disk-full',
    fault: 'disk full: database, files, log, history',
    how: 'the state folder lies on a disk of 24 MB, filled to the last byte',
    holds: 'every call answered, an upload is refused, lines end once there is room',
    missing: whyNoDisk,
    setting: (cleanUp) => {
      const made = (disk = new SmallDisk('24m'));
      cleanUp(() => made.remove());
      return { gateway: { folder: made.path } };
    },
    strike: async (stage) => {
      if (disk!.fill()) stage.struck++;
      stage.noted.uploadError = await upload(stage.gateway.url, ['x'.repeat(200_000)]).then(
        () => null,
        (error: Error) => error.message,
      );
    },
    heal: () => disk!.makeRoom(),
    check: ({ stage: { noted } }) =>
      noted.uploadError?.includes('storage_full') === true ? [] : [`an upload on a full disk came to: ${noted.uploadError ?? 'success'}`],
    allOk: true,
  },
  {
    name: 'clock-jump',
    fault: 'a clock that is set',
    how: 'the wall clock of the gateway jumps an hour forward, then two back',
    holds: 'every call answered',
    setting: (cleanUp) => {
      const folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-clock-'));
      cleanUp(() => rmSync(folder, { recursive: true, force: true }));
      clockFile = join(folder, 'offset');
      const env = {
        NODE_OPTIONS: `--import ${new URL(`../faults/clock-shift.${EXTENSION}`, import.meta.url)}`,
        CHAOS_CLOCK_FILE: clockFile,
      };
      return { gateway: { env } };
    },
    strike: async (stage) => {
      for (const hours of [1, -1]) {
        writeFileSync(clockFile, String(hours * HOUR_MS));
        const isSet = (): boolean => (hours > 0 ? stage.log.aheadMs : stage.log.behindMs) > HOUR_MS - CLOCK_MS;
        await until(isSet, 'a line of the log an hour off', MEETS_MS);
        stage.struck++;
        await delay(600);
      }
    },
    heal: () => writeFileSync(clockFile, '0'),
    holdMs: 200,
    allOk: true,
  },
];
