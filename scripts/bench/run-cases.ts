import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, COLLECTOR, filesNeeded, KEYS_FILE, manyKeys, STORE } from './cases.ts';
import { startCollector } from './collector.ts';
import { underLoad, warmUp, whileHeld, whileIdle } from './measure.ts';
import { GATEWAY, type Proxy } from './proxies/proxies.ts';
import type { CaseResult, Round } from './result.ts';
import { type Running, type Starter, startProxy } from './running.ts';
import { startStore } from './store.ts';

/** The worker itself, without a proxy: what a latency is compared with. */
export const DIRECT = 'direct';
/** The gateway without what a case is about. */
export const WITHOUT = 'without';

export interface Plan {
  readonly cases: readonly Case[];
  readonly rounds: number;
  readonly seconds: number;
  readonly proxies: readonly Proxy[];
  /** Gateways that somebody else has started. */
  readonly met: readonly Running[];
  readonly starter: Starter;
  say(line: string): void;
  /** What the reader of the result must know. */
  note(line: string): void;
}

export interface Ran {
  readonly running: readonly Running[];
  readonly cases: readonly CaseResult[];
}

/** Starts all proxies side by side and takes them in turn, round by round, so that whatever the machine does meets all of them. */
export async function runCases(plan: Plan): Promise<Ran> {
  const { starter, say, note } = plan;
  const running: Running[] = [];
  for (const proxy of plan.proxies) {
    try {
      running.push(await startProxy(proxy, '', starter));
    } catch (error) {
      // The others can be measured without it, but the gateway is what this is about.
      if (proxy.name === GATEWAY) throw error;
      note(`${proxy.name} is left out: ${(error as Error).message}`);
    }
  }
  // What does not start now is not tried again for the cases that want a fresh one.
  const working = plan.proxies.filter((proxy) => running.some(({ name }) => name === proxy.name));
  running.push(...plan.met);
  say(`warming up ${running.map(({ name }) => name).join(', ')}`);
  for (const each of running) await warmUp(null, each, starter.tools, plan.seconds);
  const cases: CaseResult[] = [];
  for (const of of plan.cases) {
    if (filesNeeded(of) > starter.filesMost) {
      note(`${of.name} is left out: it needs ${filesNeeded(of)} open files in one process, and ulimit -Hn is ${starter.filesMost}.`);
      continue;
    }
    if (of.needsStore === true && starter.store === null) {
      note(`${of.name} is left out: there is no valkey-server and no redis-server on the PATH.`);
      continue;
    }
    say(`${of.name}: ${of.what}`);
    const rounds = await runCase(of, running, { ...plan, proxies: working });
    cases.push({ name: of.name, rounds: Object.fromEntries(rounds) });
  }
  return { running, cases };
}

async function runCase(of: Case, running: readonly Running[], plan: Plan): Promise<ReadonlyMap<string, readonly Round[]>> {
  const { starter, seconds } = plan;
  if (of.kind === 'idle') return inRounds(plan, () => whileIdle(running, seconds));
  // Memory varies little, and each round starts every proxy anew.
  if (of.kind === 'held') return inRounds({ ...plan, rounds: Math.ceil(plan.rounds / 3) }, () => eachFresh(of, plan));
  const store = of.needsStore === true ? await startStore(starter) : null;
  const collector = of.needsCollector === true ? await startCollector() : null;
  const start = async (settings: string | undefined): Promise<Running | null> => {
    if (settings === undefined) return null;
    const file = join(starter.folder, 'keys.yaml');
    if (settings.includes(KEYS_FILE)) writeFileSync(file, manyKeys(), { mode: 0o600 });
    const written = settings
      .replace(STORE, store?.url ?? '')
      .replace(COLLECTOR, collector?.url ?? '')
      .replace(KEYS_FILE, file);
    const started = await startProxy(gatewayOf(plan), written, starter);
    await warmUp(null, started, starter.tools, seconds);
    return started;
  };
  const variant = await start(of.settings);
  const without = await start(of.without);
  const { stubPort } = starter.tools;
  const direct = { name: DIRECT, what: '', version: null, port: stubPort, prefix: '', pid: null, startMs: null, stop: async () => {} };
  const turns = running.flatMap((each): Running[] => {
    if (each.name !== GATEWAY) return [each];
    return [variant ?? each, ...(without === null ? [] : [{ ...without, name: WITHOUT }])];
  });
  if (of.kind === 'added') turns.push(direct);
  await starter.tools.stub(of.stepUs);
  for (const each of turns) await warmUp(of, each, starter.tools, seconds);
  let count = 0;
  const rounds = await inRounds(plan, async () => {
    const round = new Map<string, Round>();
    // Whoever comes second may find the machine as the first has left it.
    for (const each of count++ % 2 === 0 ? turns : turns.toReversed())
      round.set(each.name, await underLoad(of, each, starter.tools, seconds));
    return round;
  });
  await variant?.stop();
  await without?.stop();
  await store?.stop();
  await collector?.stop();
  // Else it was the gateway's cost of doing nothing that was measured.
  if (collector?.bytes === 0) plan.note(`${of.name}: no trace came to the collector.`);
  return rounds;
}

/** A process keeps memory that it once had: each has a fresh one, by itself. */
async function eachFresh(of: Case, { proxies, starter, seconds, note }: Plan): Promise<ReadonlyMap<string, Round>> {
  const rounds = new Map<string, Round>();
  for (const proxy of proxies) {
    try {
      const fresh = await startProxy(proxy, '', starter);
      rounds.set(proxy.name, await whileHeld(of, fresh, starter.tools, seconds));
      await fresh.stop();
    } catch (error) {
      note(`${proxy.name} is left out of ${of.name}: ${(error as Error).message}`);
    }
  }
  return rounds;
}

async function inRounds(
  { rounds }: Plan,
  round: () => Promise<ReadonlyMap<string, Round>>,
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const all = new Map<string, Round[]>();
  for (let at = 0; at < rounds; at++) for (const [name, one] of await round()) all.set(name, [...(all.get(name) ?? []), one]);
  return all;
}

function gatewayOf({ proxies }: Plan): Proxy {
  const found = proxies.find(({ name }) => name === GATEWAY);
  if (!found) throw new Error(`a case about settings needs ${GATEWAY} among the proxies`);
  return found;
}
