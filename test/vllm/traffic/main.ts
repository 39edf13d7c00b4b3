import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DEFAULT_VERSION, environmentAt, installedVersion } from '../../../scripts/vllm/environment.ts';
import { until } from '../../support/gateway.ts';
import { SCENES } from '../scene.ts';
import { type Server, startGateway, startVllm } from '../server.ts';
import { breakerCase } from './breaker-case.ts';
import { engineTokens, gatewayTokens, since, underWay } from './counters.ts';
import { mixedTraffic } from './mixed.ts';
import { tokenCase } from './token-case.ts';

const HELP = `npm run test:vllm:traffic [-- FLAGS]: traffic through a gateway in front of real engines, and what may not come of it.

  --minutes N       of good, bad and abandoned calls of all four APIs (10)
  --engines N       so many engines, started one after the other (1; each takes 4 GB)
  --port N          an engine that runs already; may be given again
  --clients N       calls at once (6)
  --only WHAT       breaker: bad streams beside good calls · tokens: each kind of call, counted by both sides · mixed: the minutes
  --version V       of vLLM (${DEFAULT_VERSION})
`;

/** Counters of tokens may differ by so much: an engine works on for a step or two when a client leaves. */
const TOLERANCE = 0.01;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    engines: { type: 'string', default: '1' },
    port: { type: 'string', multiple: true },
    clients: { type: 'string', default: '6' },
    only: { type: 'string' },
    version: { type: 'string', default: DEFAULT_VERSION },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

process.exitCode = values.help ? help() : await main();

function help(): number {
  say(HELP);
  return 0;
}

async function main(): Promise<number> {
  const environment = environmentAt(values.version, process.env);
  if (values.port === undefined && installedVersion(environment) === null) {
    say(`skipped: traffic at a real vLLM: there is no vLLM ${values.version} in ${environment.folder} (npm run vllm:install makes it)`);
    return 0;
  }
  await using engines = new AsyncDisposableStack();
  const ports = values.port?.map(Number) ?? [];
  for (let i = 0; values.port === undefined && i < Number(values.engines); i++) {
    const flags = ['--served-model-name', 'tiny', '--enable-prompt-tokens-details'];
    const engine: Server = await startVllm(environment, { ...SCENES[0]!, flags });
    engines.use(engine);
    ports.push(engine.port);
    say(`an engine is ready after ${(engine.readyAfterMs / 1000).toFixed(0)} s`);
  }
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  await using server = await startGateway(ports, { key: null });
  const gateway = `http://127.0.0.1:${server.port}`;
  await until(() => isReady(gateway, urls.length), 'every engine ready', 60_000);
  let problems = 0;
  const asked = (what: string): boolean => values.only === undefined || values.only === what;
  if (asked('breaker')) problems += tell('bad streams beside good calls', await breakerCase(gateway, 'tiny'));
  if (asked('tokens')) problems += tell('tokens counted', await tokenCase(gateway, urls, 'tiny'));
  if (asked('mixed')) problems += tell('mixed traffic', await mixed(gateway, urls, () => connectionsTo(ports, server.pid)));
  return problems === 0 ? 0 : 1;
}

async function isReady(gateway: string, count: number): Promise<boolean> {
  const stats = (await (await fetch(`${gateway}/stats`)).json()) as { workers: { state: string }[] };
  return stats.workers.filter(({ state }) => state === 'ready').length === count;
}

async function mixed(gateway: string, engines: readonly string[], sockets: () => number): Promise<string[]> {
  const engineBefore = await engineTokens(engines);
  const gatewayBefore = await gatewayTokens(gateway);
  const minutes = Number(values.minutes);
  const { counts, problems, countedAgain } = await mixedTraffic({ gateway, model: 'tiny', minutes, clients: Number(values.clients), say });
  const found = [...problems];
  try {
    await until(async () => (await underWay(gateway, engines)) === 0, 'nothing under way', 10_000);
  } catch {
    found.push(`when all is over ${await underWay(gateway, engines)} calls are still counted as under way`);
  }
  const engine = since(engineBefore, await engineTokens(engines));
  const ours = since(gatewayBefore, await gatewayTokens(gateway));
  say(`  ${counts.good} good, ${counts.bad} bad, ${counts.left} left`);
  say(
    `  engine:  ${engine.input - countedAgain} in (and ${countedAgain} once more, for second choices), ${engine.output} out, ${engine.cached} cached`,
  );
  say(`  gateway: ${ours.input} in, ${ours.output} out, ${ours.cached} cached`);
  compare('prompt tokens', engine.input - countedAgain, ours.input);
  compare('generated tokens', engine.output, ours.output);
  function compare(what: string, theirs: number, own: number): void {
    const off = (own - theirs) / theirs;
    say(`  ${what}: ${(off * 100).toFixed(2)} % off`);
    if (!(Math.abs(off) <= TOLERANCE)) found.push(`${what}: the gateway counted ${own}, the engine ${theirs}`);
  }
  // Two are kept for questions of the gateway's own; the rest are closed a few seconds after their last call.
  const left = 2 * engines.length;
  try {
    await until(() => sockets() <= left, 'connections closed', 20_000);
  } catch {
    found.push(`${sockets()} connections to ${engines.length} engines are open when all is over`);
  }
  return found;
}

/** Connections of a process to these ports of this machine. */
function connectionsTo(ports: readonly number[], pid: number): number {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => socketOf(pid, fd)));
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1);
  const rows = lines.map((line) => line.trim().split(/\s+/));
  return rows.filter((row) => ports.includes(Number.parseInt(row[2]?.split(':')[1] ?? '', 16)) && own.has(row[9] ?? '')).length;
}

function socketOf(pid: number, fd: string): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '-';
  } catch {
    return '-';
  }
}

function tell(what: string, problems: readonly string[]): number {
  say(problems.length === 0 ? `ok: ${what}` : `FAILED: ${what}: ${problems.length} problems`);
  for (const problem of problems.slice(0, 20)) say(`  ${problem}`);
  return problems.length;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
