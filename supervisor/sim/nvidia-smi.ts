/**
 * A pretend nvidia-smi. It describes the cards of SIM_VRAM_FILE, or those that SIM_GPU names, as the real program describes real cards. Its own knobs:
 *
 *   SIM_SMI_VALUES          "power.draw=[N/A];mig.mode.current=Enabled": what some fields say instead
 *   SIM_SMI_UNKNOWN_FIELDS  "compute_cap,memory.reserved": fields that an older driver does not know
 *   SIM_SMI_FAULT           hang · no-driver · mismatch · no-devices
 *   SIM_SMI_DELAY_MS        how long the program takes to say anything
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from './settings/config-error.ts';
import { numberOf } from './settings/knobs.ts';
import type { Environment } from './settings/knobs.ts';
import { gpuIdsOf, vramFileOf } from './start/machine.ts';
import { smiAppField, smiField, smiValue, visibleHolders } from './card/smi-fields.ts';
import { smiXml } from './card/smi-xml.ts';
import { newVram, VramFileError } from './card/vram-file.ts';
import type { Vram, VramGpu } from './card/vram-file.ts';

/** The names that SIM_GPU may have. */
export { gpuIds } from './card/find-gpu.ts';

/** What goes wrong, in the words and with the exit status of the real program. */
const FAILURES: Readonly<Record<string, readonly [string, number]>> = {
  'no-driver': [
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n",
    9,
  ],
  mismatch: ['Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95\n', 18],
  'no-devices': ['No devices were found\n', 6],
};

interface Query {
  readonly kind: 'gpu' | 'apps' | 'list' | 'xml' | 'overview';
  readonly fields: readonly string[];
  readonly header: boolean;
  readonly units: boolean;
  readonly id: string | null;
  readonly loopMs: number | null;
}

/** A command line or a field that nvidia-smi refuses; exit status 2. */
class Refused extends Error {}

function readQuery(argv: readonly string[]): Query {
  let query: Query = { kind: 'overview', fields: [], header: true, units: true, id: null, loopMs: null };
  for (let at = 0; at < argv.length; at++) {
    const [option, inline] = splitOption(argv[at]!);
    const value = (): string => inline ?? argv[++at] ?? '';
    if (option === '--query-gpu') query = { ...query, kind: 'gpu', fields: listOf(value()) };
    else if (option === '--query-compute-apps') query = { ...query, kind: 'apps', fields: listOf(value()) };
    else if (option === '--format') {
      const words = listOf(value());
      query = { ...query, header: !words.includes('noheader'), units: !words.includes('nounits') };
    } else if (option === '-L' || option === '--list-gpus') query = { ...query, kind: 'list' };
    else if (option === '-x' || option === '--xml-format') query = { ...query, kind: 'xml' };
    else if (option === '-i' || option === '--id') query = { ...query, id: value() };
    else if (option === '-l' || option === '--loop') query = { ...query, loopMs: Number(value()) * 1000 };
    else if (option === '-lms' || option === '--loop-ms') query = { ...query, loopMs: Number(value()) };
    else if (option !== '-q' && option !== '--query') {
      throw new Refused(`Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n`);
    }
  }
  return query;
}

function splitOption(argument: string): readonly [string, string | null] {
  const equals = argument.indexOf('=');
  return equals < 0 ? [argument, null] : [argument.slice(0, equals), argument.slice(equals + 1)];
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function overridesOf(env: Environment): ReadonlyMap<string, string> {
  const pairs = (env['SIM_SMI_VALUES'] ?? '').split(';').filter((pair) => pair.includes('='));
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]));
}

function withUnit(value: string, unit: string | undefined, query: Query): string {
  return unit === undefined || !query.units || !/^[\d.]+$/.test(value) ? value : `${value} ${unit}`;
}

function headerOf(query: Query, unitOf: (field: string) => string | undefined): string {
  if (!query.header) return '';
  return `${query.fields.map((field) => (unitOf(field) === undefined ? field : `${field} [${unitOf(field)}]`)).join(', ')}\n`;
}

function answer(query: Query, all: readonly VramGpu[], env: Environment): string {
  const overrides = overridesOf(env);
  const unknown = listOf(env['SIM_SMI_UNKNOWN_FIELDS'] ?? '');
  const strange = (known: (field: string) => unknown): string | undefined =>
    query.fields.find((field) => unknown.includes(field) || known(field) === undefined);
  const gpus = all.filter((gpu) => query.id === null || listOf(query.id).some((id) => id === String(gpu.index) || id === gpu.uuid));
  switch (query.kind) {
    case 'gpu': {
      const field = strange(smiField);
      if (field !== undefined) throw new Refused(`Field "${field}" is not a valid field to query.\n\n`);
      const rows = gpus.map((gpu) => {
        const cells = query.fields.map((name) => withUnit(smiValue(gpu, name, all.length, overrides), smiField(name)?.unit, query));
        return `${cells.join(', ')}\n`;
      });
      return headerOf(query, (name) => smiField(name)?.unit) + rows.join('');
    }
    case 'apps': {
      const field = strange(smiAppField);
      if (field !== undefined) throw new Refused(`Field "${field}" is not a valid field to query.\n\n`);
      const rows = gpus.flatMap((gpu) =>
        visibleHolders(gpu).map((holder) => {
          const cells = query.fields.map((name) => withUnit(smiAppField(name)!.value(holder, gpu), smiAppField(name)!.unit, query));
          return `${cells.join(', ')}\n`;
        }),
      );
      return headerOf(query, (name) => smiAppField(name)?.unit) + rows.join('');
    }
    case 'xml':
      return smiXml(gpus, overrides);
    case 'list':
      return gpus.map((gpu) => listed(gpu, all.length, overrides)).join('');
    case 'overview':
      return gpus
        .map(
          (gpu) =>
            `| ${gpu.index}  ${gpu.name} (simulated) | ${smiValue(gpu, 'memory.used', 1, overrides)}MiB / ${gpu.memory_total_mib}MiB |\n`,
        )
        .join('');
  }
}

/** One card of `nvidia-smi -L`. The instances that a card is cut into are shown here and nowhere else. */
function listed(gpu: VramGpu, count: number, overrides: ReadonlyMap<string, string>): string {
  const line = `GPU ${gpu.index}: ${gpu.name} (UUID: ${gpu.uuid})\n`;
  if (smiValue(gpu, 'mig.mode.current', count, overrides) !== 'Enabled') return line;
  return `${line}  MIG 3g.20gb     Device  0: (UUID: MIG-${gpu.uuid.slice('GPU-'.length)})\n`;
}

async function look(env: Environment): Promise<Vram> {
  return (await vramFileOf(env)?.read()) ?? newVram(gpuIdsOf(env));
}

/** Prints what was asked for. Resolves to the exit status of the real program. With a loop, or a fault that hangs, it never resolves. */
export async function runNvidiaSmi(argv: readonly string[], env: Environment, print: (text: string) => void): Promise<number> {
  const fault = env['SIM_SMI_FAULT'] ?? '';
  if (fault === 'hang') return new Promise(() => setInterval(() => undefined, 2 ** 30));
  await sleep(numberOf(env, 'SIM_SMI_DELAY_MS', 0));
  const failure = FAILURES[fault];
  if (failure !== undefined) {
    print(failure[0]);
    return failure[1];
  }
  try {
    const query = readQuery(argv);
    for (let first = true; ; first = false) {
      const { gpus } = await look(env);
      if (gpus.length === 0) {
        print(FAILURES['no-devices']![0]);
        return 6;
      }
      print(answer(first ? query : { ...query, header: false }, gpus, env));
      if (query.loopMs === null) return 0;
      await sleep(query.loopMs);
    }
  } catch (error) {
    if (!(error instanceof Refused || error instanceof VramFileError || error instanceof ConfigError)) throw error;
    print(error.message);
    return 2;
  }
}

if (import.meta.main) {
  process.stdout.on('error', () => process.exit(0));
  process.exitCode = await runNvidiaSmi(process.argv.slice(2), process.env, (text) => process.stdout.write(text));
}
