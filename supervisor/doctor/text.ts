import { columns } from '../../gateway/core/log/columns.ts';
import { quote } from './models.ts';
import type { CommandFinding, DoctorReport, GatewayReport, GpuFinding, ModelFinding } from './report.ts';

/** Lines below a title. */
export interface Section {
  readonly title: string;
  readonly lines: readonly string[];
}

/** The report as a person reads it. `beside`: what others have found out. */
export function doctorText(report: DoctorReport | GatewayReport, beside: readonly Section[] = []): string {
  const { state } = report;
  const isRunning = `a supervisor is running here (${state.control})`;
  const taken = state.ports_taken.length === 0 ? '' : ` (taken: ${state.ports_taken.join(', ')})`;
  const place =
    report.engine === null
      ? [`folder ${state.directory}`, ...(state.supervisor_running ? [isRunning] : [])]
      : [
          `folder ${state.directory}, ports ${state.port_range.join('-')}${taken}`,
          state.supervisor_running ? isRunning : 'no supervisor is running here',
        ];
  const lines = [
    ...(report.engine === null ? [] : launchSections(report)),
    ...beside.flatMap(({ title, lines: own }) => section(title, own)),
    ...section('State', place),
    ...(report.warnings.length === 0 ? [] : section('Worth knowing', report.warnings)),
    ...section(report.ok ? verdict(report) : 'Stands in the way', report.problems),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

/** What would be launched, and on what. */
function launchSections(report: DoctorReport): string[] {
  const { engine, vllm, profile } = report;
  return [
    ...section('GPUs', report.gpus.length === 0 ? ['none'] : report.gpus.flatMap(gpuLines)),
    ...section('Engine', [
      `${engine.kind === 'sim' ? 'the simulated engine' : 'vLLM'}: ${engine.reason}`,
      vllm === null ? 'no vLLM was found' : vllmLine(vllm),
    ]),
    ...[profile, ...report.other_profiles].flatMap((each) => profileSection(each, report.models)),
    ...section(
      `Models ${report.gpus.length > 1 ? 'on these GPUs' : 'on this GPU'} (* would be offered; of those on one GPU the first is launched)`,
      [...columns(modelRows(report.models)), ...modelNotes(report.models)],
    ),
    ...flagSections(report.models.filter(({ wanted }) => wanted)),
    ...commandSections(report.models.filter(({ wanted }) => wanted)),
  ];
}

/** That nothing is known to be wrong is not the same as knowing that it works. */
function verdict({ engine, models }: DoctorReport | GatewayReport): string {
  if (engine === null) return 'Nothing stands in the way.';
  const unknown = models.filter((model) => model.wanted && model.verdict === 'unknown').map(({ id }) => id);
  if (engine.kind === 'sim' || unknown.length === 0) return 'Nothing stands in the way.';
  return `Nothing is known to stand in the way; whether ${unknown.join(' and ')} ${unknown.length === 1 ? 'fits' : 'fit'} nobody can say.`;
}

/** Its values, each with what a model that has another is launched with: a profile is not the last word. */
function profileSection({ name, title, reason, tuning, values }: DoctorReport['profile'], models: readonly ModelFinding[]): string[] {
  const other = (setting: string, value: string) =>
    models.flatMap(({ id, wanted, flags, profile }) => {
      const flag = flags.find((each) => each.flag === setting);
      return wanted && profile === name && flag && String(flag.value) !== value ? [`${String(flag.value)} for ${id}`] : [];
    });
  const but = (setting: string, value: string) => (other(setting, value).length === 0 ? '' : ` (${other(setting, value).join(', ')})`);
  return section(`Profile ${name} (${title}), tuning ${tuning}`, [
    `chosen because ${reason}`,
    ...values.map(({ setting, value, why }) => `${setting} ${value}${but(setting, value)}${why === null ? '' : `: ${why}`}`),
  ]);
}

function sizeGib(gib: number | null): string {
  if (gib === null) return '? GiB';
  return gib < 0.01 ? 'below 0.01 GiB' : `${Number(gib.toPrecision(3))} GiB`;
}

function section(title: string, lines: readonly string[]): string[] {
  return [title, ...lines.map((line) => `  ${line}`), ''];
}

function gpuLines(gpu: GpuFinding): string[] {
  const known = (value: number | null, unit: string) => (value === null ? [] : [`${value} ${unit}`]);
  const now = [
    ...known(gpu.utilization_ratio === null ? null : Math.round(gpu.utilization_ratio * 100), '% busy'),
    ...known(gpu.temperature_celsius, '°C'),
    ...known(gpu.power_watts, 'W'),
    ...(gpu.display ? ['a display is attached'] : []),
  ];
  const free = gpu.free_gib === null ? 'free memory unknown' : `${gpu.free_gib} GiB free`;
  return [
    `${gpu.index}: ${gpu.name}${gpu.simulated ? ' (simulated)' : ''}, ${gpu.memory_gib} GiB (${gpu.usable_gib} for CUDA, ${free}), compute capability ${gpu.compute_cap ?? 'unknown'}`,
    `   ${gpu.uuid}${now.length === 0 ? '' : ` · ${now.join(' · ')}`}`,
    `   ${gpu.driver_advice}`,
    ...(gpu.fault === null ? [] : [`   cannot be used: ${gpu.fault}`]),
    ...gpu.held_by.map(
      ({ pid, name, memory_gib }) => `   held by ${name} (process ${pid}${memory_gib === null ? '' : `, ${memory_gib} GiB`})`,
    ),
  ];
}

function vllmLine({ path, version, cuda, cpu, flags }: NonNullable<DoctorReport['vllm']>): string {
  const facts = [
    version ?? 'of unknown version',
    ...(cpu ? ['built for CPUs'] : cuda === null ? [] : [`built for CUDA ${cuda}`]),
    ...(flags === null ? [] : [`${flags} flags`]),
  ];
  return `vLLM ${facts.join(', ')}: ${path}`;
}

function modelRows(models: readonly ModelFinding[]): string[][] {
  const cell = (value: number | string | null, unit = '') => (value === null ? '-' : `${value}${unit}`);
  return [
    ['', 'MODEL', 'GPU', 'WEIGHTS', 'FITS', 'CONTEXT', 'AT ONCE', 'LONGEST', 'KV CACHE'],
    ...models.map((model) => [
      model.wanted ? '*' : '',
      model.id,
      model.on_gpus.length === 0 ? '-' : model.on_gpus.join(model.gpus === model.on_gpus.length ? '+' : ','),
      model.variant === null ? '-' : `${model.variant} ${sizeGib(model.weights_gib)}`,
      model.verdict === 'fits' ? 'yes' : model.verdict,
      cell(model.context_tokens),
      cell(model.concurrency === null ? null : model.concurrency.toFixed(1)),
      cell(model.largest_context_tokens),
      cell(model.kv_cache_gib, ' GiB'),
    ]),
  ];
}

function modelNotes(models: readonly ModelFinding[]): string[] {
  return models.flatMap(({ id, notes }) => notes.map((note) => (note.startsWith(id) ? note : `${id}: ${note}`)));
}

function flagSections(models: readonly ModelFinding[]): string[] {
  return models.flatMap(({ id, flags }) =>
    flags.length === 0 ? [] : section(`Engine flags of ${id}, and what set each`, flagLines(flags)),
  );
}

/** Such as `max_num_seqs 64: models/a.yaml:25, on.t4 (gpu/t4.yaml:10 says 16)`. */
export function flagLines(flags: ModelFinding['flags']): string[] {
  const text = (value: unknown) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value));
  return flags.map(({ flag, value, from, instead_of: others }) => {
    const beaten = others.map((other) => `${other.from} says ${text(other.value)}`).join(', ');
    return `${flag} ${text(value)}: ${from}${beaten === '' ? '' : ` (${beaten})`}`;
  });
}

function commandSections(models: readonly ModelFinding[]): string[] {
  return models.flatMap(({ id, command }) => {
    const title = models.length === 1 ? 'Command' : `Command for ${id}`;
    return section(title, command === null ? ['none: the model is refused'] : commandLines(command));
  });
}

/** A flag and its values stay on one line. */
function commandLines({ env, argv }: CommandFinding): string[] {
  const pieces: string[] = Object.entries(env).map(([name, value]) => `${name}=${quote(value)}`);
  const flagAt = argv.findIndex((word) => word.startsWith('--'));
  pieces.push(
    argv
      .slice(0, flagAt === -1 ? argv.length : flagAt)
      .map(quote)
      .join(' '),
  );
  for (const word of flagAt === -1 ? [] : argv.slice(flagAt)) {
    if (word.startsWith('--')) pieces.push(`  ${quote(word)}`);
    else pieces.push(`${pieces.pop()} ${quote(word)}`);
  }
  return pieces.map((piece, index) => (index === pieces.length - 1 ? piece : `${piece} \\`));
}
