import { freemem } from 'node:os';
import { parseArgs } from 'node:util';
import {
  DEFAULT_VERSION,
  environmentAt,
  installedEnvironments,
  installedVersion,
  type VllmEnvironment,
} from '../../scripts/vllm/environment.ts';
import { ensureEnvironment } from '../../scripts/vllm/make-environment.ts';
import { Obstacle } from '../../scripts/vllm/obstacle.ts';
import { checkFlags } from './flags/check-flags.ts';
import { report } from './report.ts';
import { writeOutline, writeRecorded } from './recorded.ts';
import { runRecorded, runScene } from './run-scene.ts';
import { type Scene, SCENES } from './scene.ts';

const HELP = `npm run test:vllm [-- FLAGS]: what a real vLLM, the simulated one and the gateway in front of both answer to the same requests.

  --quick               the scene "plain" and the command lines: one start of an engine, a few minutes
  --scene NAME          only this one (${SCENES.map(({ name }) => name).join(', ')}); may be given again
  --case TEXT           only cases with this in their names; may be given again
  --verbose             every difference in full
  --recorded            the simulation against the recordings under test/vllm/recorded: no Python, no engine
  --record              writes those recordings, and with --recorded or without the list of what is still open
  --flags               only the command lines: each that can be planned goes through vLLM's own parser
  --port N              a real engine that runs already (one scene)
  --version V           of vLLM (${DEFAULT_VERSION})
  --install-within S    makes the environment where there is none, if it can be done in so many seconds
`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    scene: { type: 'string', multiple: true },
    case: { type: 'string', multiple: true },
    verbose: { type: 'boolean', default: false },
    recorded: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    flags: { type: 'boolean', default: false },
    port: { type: 'string' },
    version: { type: 'string', default: DEFAULT_VERSION },
    'install-within': { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Three processes of Python take 4.2 GB; beside them there must be room for what else runs. */
const MEMORY_GB = 6;

process.exitCode = values.help ? help() : await main();

function help(): number {
  process.stdout.write(HELP);
  return 0;
}

async function main(): Promise<number> {
  const wanted = values.quick ? ['plain'] : values.scene;
  const scenes = SCENES.filter(({ name }) => wanted === undefined || wanted.includes(name));
  if (values.recorded) return againstRecordings(scenes);
  const environment = environmentAt(values.version, process.env);
  const obstacle = values.port === undefined ? await obstacleTo(environment) : null;
  if (obstacle !== null) return skip(obstacle);
  let failed = 0;
  if (values.port === undefined && values.scene === undefined && values.case === undefined) {
    // Each version that is there: old ones lack flags, and new ones lose some.
    for (const installed of values.flags ? allOf(environment) : [environment]) failed += await checkFlags(installed, say);
  }
  if (!values.flags) for (const scene of scenes) failed += await runOne(scene, environment);
  return failed === 0 ? 0 : 1;
}

async function runOne(scene: Scene, environment: VllmEnvironment): Promise<number> {
  say(`${scene.name}: ${casesOf(scene).length} cases against vLLM ${values.version}, one engine`);
  const run = await runScene(scene, casesOf(scene), values.port === undefined ? environment : { port: Number(values.port) });
  for (const note of run.notes) say(note);
  if (values.record && values.case === undefined) {
    writeRecorded(values.version, scene.name, run.recorded);
    if (scene.name === 'plain') writeOutline(values.version, run.outline);
  }
  return report(scene, run, reportOptions(['simulation', 'gateway']), say);
}

async function againstRecordings(scenes: readonly Scene[]): Promise<number> {
  let failed = 0;
  for (const scene of scenes) {
    const run = await runRecorded(scene, casesOf(scene), values.version);
    if (run === null) say(`skipped: ${scene.name} of vLLM ${values.version} was never recorded`);
    else failed += report(scene, run, reportOptions(['simulation']), say);
  }
  return failed === 0 ? 0 : 1;
}

/** `asked`: whose answers were looked at. */
function reportOptions(asked: readonly ('simulation' | 'gateway')[]) {
  const all = values.case === undefined;
  return { verbose: values.verbose, update: values.record && all, whole: all ? asked : [] };
}

function casesOf({ cases }: Scene) {
  return cases.filter(({ name }) => values.case === undefined || values.case.some((part) => name.includes(part)));
}

/** Why no engine can be started here; null: it can. */
async function obstacleTo(environment: VllmEnvironment): Promise<string | null> {
  if (freemem() < MEMORY_GB * 1e9) return `an engine needs ${MEMORY_GB} GB of free memory, and ${(freemem() / 1e9).toFixed(1)} are left`;
  const within = values['install-within'];
  if (installedVersion(environment) === null && within === undefined) {
    return `there is no vLLM ${values.version} in ${environment.folder} (npm run vllm:install makes it)`;
  }
  try {
    await ensureEnvironment(environment, values.version, { limitMs: Number(within ?? 600) * 1000, say });
    return null;
  } catch (error) {
    if (error instanceof Obstacle) return error.message;
    throw error;
  }
}

function allOf(environment: VllmEnvironment): VllmEnvironment[] {
  return [environment, ...installedEnvironments(process.env).filter(({ folder }) => folder !== environment.folder)];
}

/** No fault of the product: the run is green, and says by name what it has not done. */
function skip(reason: string): number {
  say(`skipped: the tests against a real vLLM: ${reason}`);
  return 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
