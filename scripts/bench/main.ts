import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineFacts } from '../program/machine.ts';
import { CASES } from './cases.ts';
import { Children } from './children.ts';
import { coresHere, UNPINNED } from './cores.ts';
import { filesMost } from './files-most.ts';
import { helpText } from './help.ts';
import { type Options, readOptions } from './options.ts';
import { installPeers } from './proxies/install-peers.ts';
import { PEERS } from './proxies/peers.ts';
import { findProgram, ownFile } from './proxies/programs.ts';
import { installedProxies, PROXY_NAMES } from './proxies/proxies.ts';
import { compareRatios, readRatios, toRecord, writeRatios } from './ratios.ts';
import { reportText } from './report.ts';
import type { BenchResult } from './result.ts';
import { runCases } from './run-cases.ts';
import { meet } from './running.ts';
import { makeTools } from './tools.ts';
import { writeResult } from './write-result.ts';

export interface BenchPlace {
  /** Of the gateway. */
  readonly version: string;
  readonly cwd: string;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The bench from its command line to its last line. @returns the exit code */
export async function runBench(argv: readonly string[], place: BenchPlace): Promise<number> {
  const read = readOptions(
    argv,
    PROXY_NAMES,
    PEERS.map(({ name }) => name),
  );
  if (read.kind === 'help') {
    process.stdout.write(helpText(PROXY_NAMES));
    return 0;
  }
  if (read.kind === 'usage') {
    process.stderr.write(`headgate bench: ${read.problem}\n"headgate bench --help" tells its usage.\n`);
    return EXIT_USAGE;
  }
  if (process.platform !== 'linux') {
    process.stderr.write('headgate bench: it reads the account of the Linux scheduler, and this is another system.\n');
    return EXIT_FAILED;
  }
  const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
  const children = new Children(folder);
  const leave = async (): Promise<void> => {
    await children.stopAll();
    rmSync(folder, { recursive: true, force: true });
  };
  // What is being measured is not waited for.
  const interrupt = (): void => void leave().finally(() => process.exit(EXIT_INTERRUPTED));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    return tell(await measure(read.options, place, folder, children), read.options, place);
  } catch (error) {
    process.stderr.write(`headgate bench: ${(error as Error).message}\n`);
    return EXIT_FAILED;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
    await leave();
  }
}

async function measure(options: Options, { version }: BenchPlace, folder: string, children: Children): Promise<BenchResult> {
  const { without, rounds, seconds } = options;
  const notes: string[] = [];
  const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
  const note = (line: string): void => {
    notes.push(line);
    say(line);
  };
  const machine = machineFacts();
  const cores = findProgram('taskset', without) === null ? UNPINNED : coresHere();
  const tools = await makeTools({ folder, children, cores, without, stubPort: options.stubPort });
  if (tools.language === 'Node') say('no C compiler: stub and load generator run in Node, and figures include more of them');
  const wanted = (name: string) => options.proxies?.includes(name) ?? true;
  const installed = installedProxies(without);
  const proxies = installed.filter(({ name }) => wanted(name));
  for (const name of PROXY_NAMES) {
    if (wanted(name) && installed.every((proxy) => proxy.name !== name)) note(`${name} is not installed: nothing is told of it.`);
  }
  if (options.peers) proxies.push(...(await installPeers({ env: process.env, without, isWanted: wanted, say, note })));
  const met = [];
  for (const other of options.against) {
    say(`waiting for ${other.name} on ${other.url.href}; its worker is http://127.0.0.1:${tools.stubPort}`);
    met.push(await meet(other, tools));
  }
  const cases = CASES.filter(({ name }) => options.cases.includes(name));
  const store = findProgram('valkey-server', without) ?? findProgram('redis-server', without);
  const starter = { folder, children, tools, cpu: cores.proxy, filesMost: filesMost(), store };
  const ran = await runCases({ cases, rounds, seconds, proxies, met, starter, say, note });
  return {
    ...{ version, at: new Date().toISOString(), machine, tools: tools.language, cores, rounds, seconds, notes },
    proxies: ran.running.map((running) => ({ name: running.name, what: running.what, version: running.version, startMs: running.startMs })),
    cases: ran.cases,
  };
}

function tell(result: BenchResult, options: Options, { cwd }: BenchPlace): number {
  const text = reportText(result);
  process.stdout.write(text);
  process.stderr.write(`bench: ${writeResult(result, text, options.json, cwd)}\n`);
  const file = options.ratiosFile ?? ownFile('../ratios.json');
  let exitCode = 0;
  if (options.compares) {
    const { lines, hasFailed } = compareRatios(result, readRatios(file), options.growth);
    process.stdout.write(`\n${lines.join('\n')}\n`);
    if (hasFailed) exitCode = EXIT_FAILED;
  }
  if (options.records) {
    const before = readRatios(file);
    const now = toRecord(result, before);
    if (now === before) exitCode = EXIT_FAILED;
    else writeRatios(file, now);
    process.stderr.write(`bench: ${now === before ? 'nothing recorded, for no ratio could be told' : `recorded in ${file}`}\n`);
  }
  return exitCode;
}
