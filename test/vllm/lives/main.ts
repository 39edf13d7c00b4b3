import { parseArgs } from 'node:util';
import { DEFAULT_VERSION, environmentAt, installedVersion } from '../../../scripts/vllm/environment.ts';
import { DEATHS } from './deaths.ts';
import { House } from './house.ts';
import { bothDead, chat, crashOfHeadgate, death, type Problems, stopUnderStreams } from './scenes.ts';
import { newTraces, tracesNow } from './traces.ts';

const HELP = `npm run test:vllm:lives [-- FLAGS]: \`headgate serve\` with a real engine that dies in every way, and so does Headgate.

  --only WHAT    deaths: of the engine · crash: of Headgate · stop: of Headgate while streams run · kills: many deaths, and what they leave
  --kills N      for kills (20); asked for alone, since each costs a start
  --version V    of vLLM (${DEFAULT_VERSION})
`;

/** The fifth crash within ten minutes is a crash loop, which waits: Headgate is started anew, in another folder, before. */
const KILLS_A_LIFE = 4;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    kills: { type: 'string', default: '20' },
    version: { type: 'string', default: DEFAULT_VERSION },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

let failed = 0;
process.exitCode = values.help ? help() : await main();

function help(): number {
  say(HELP);
  return 0;
}

async function main(): Promise<number> {
  const environment = environmentAt(values.version, process.env);
  if (installedVersion(environment) === null) {
    say(`skipped: lives of a real vLLM: there is no vLLM ${values.version} in ${environment.folder} (npm run vllm:install makes it)`);
    return 0;
  }
  const asked = (what: string): boolean => values.only === undefined || values.only === what;
  const make = (): Promise<House> => House.make(environment);
  if (asked('deaths')) for (const some of DEATHS) await deaths(make, some);
  if (asked('crash')) await crash(make);
  if (asked('stop')) await stop(make);
  if (values.only === 'kills') await kills(make, Number(values.kills));
  say(failed === 0 ? 'all as it should be' : `${failed} problems`);
  return failed === 0 ? 0 : 1;
}

type Make = () => Promise<House>;

async function deaths(make: Make, some: (typeof DEATHS)[number]): Promise<void> {
  await using house = await make();
  await firstToken(house);
  for (const one of some) await scene(one.name, () => death(house, one, say));
}

async function crash(make: Make): Promise<void> {
  await using house = await make();
  const before = tracesNow(house.folder);
  await firstToken(house);
  await scene('Headgate killed', () => crashOfHeadgate(house, say));
  await scene('Headgate and its engine killed', () => bothDead(house, before, say));
}

async function stop(make: Make): Promise<void> {
  await using house = await make();
  const before = tracesNow(house.folder);
  await firstToken(house);
  await scene('Headgate told to stop', () => stopUnderStreams(house, before, say));
}

/** Engine core, worker and server in turn, and after all of them nothing is left on the machine. */
async function kills(make: Make, count: number): Promise<void> {
  const [core, worker, server] = DEATHS[0]!;
  const ways = [core!, worker!, server!];
  for (let done = 0; done < count;) {
    await using house = await make();
    const before = tracesNow(house.folder);
    await firstToken(house);
    for (let i = 0; i < KILLS_A_LIFE && done < count; i++, done++)
      await scene(`kill ${done + 1}`, () => death(house, ways[done % ways.length]!, say));
    house.process.child.kill('SIGTERM');
    const exit = await house.process.exited;
    const left = newTraces(before, tracesNow(house.folder));
    say(`  after ${done} kills: exit ${exit}, ${left.length} things left`);
    await scene('what is left', async () => left);
  }
}

async function firstToken(house: House): Promise<void> {
  const began = Date.now();
  await scene('the first token', async () => {
    await house.serve();
    const { status, text } = await chat(house, 1);
    return status === 200 ? [] : [`${status}: ${text.slice(0, 300)}`];
  });
  say(`  first token ${((Date.now() - began) / 1000).toFixed(1)} s after the command`);
}

async function scene(name: string, play: () => Promise<Problems>): Promise<void> {
  let problems: Problems;
  try {
    problems = await play();
  } catch (error) {
    problems = [error instanceof Error ? error.message : String(error)];
  }
  say(problems.length === 0 ? `ok: ${name}` : `FAILED: ${name}`);
  for (const problem of problems.slice(0, 20)) say(`  ${problem}`);
  failed += problems.length;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
