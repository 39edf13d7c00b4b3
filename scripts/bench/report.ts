import { CASES, offeredChunks } from './cases.ts';
import { FLOOR, GATEWAY, PLAIN } from './proxies/proxies.ts';
import { type BenchResult, type CaseResult, valuesOf } from './result.ts';
import { DIRECT, WITHOUT } from './run-cases.ts';
import { median, type Ratio, ratio, spread } from './statistics.ts';
import { tableText } from './table.ts';

const NO_RATIO = '–';

/** What the proxies cost: CPU time of each, its ratio to the floor in brackets, and the gateway's own two ratios. */
export function costRows({ cases, proxies }: BenchResult): string[][] {
  const names = proxies.map(({ name }) => name);
  const compared = [FLOOR, PLAIN].filter((name) => names.includes(name) && names.includes(GATEWAY));
  const rows = cases.filter((result) => names.some((name) => valuesOf(result, name, 'cost_us').length > 0));
  return [
    ['CPU µs', ...names, ...compared.map((name) => `${GATEWAY} ÷ ${name}`)],
    ...rows.map((result) => [
      whatOf(result),
      ...names.map((name) => costCell(result, name)),
      ...compared.map((name) => ratioText(ratioOf(result, GATEWAY, name))),
    ]),
  ];
}

/** What the gateway costs with something and without it, in turn: the median of the rounds' own differences. */
export function featureRows({ cases }: BenchResult): string[][] {
  const rows = cases.flatMap((result): string[][] => {
    const [own, without] = [GATEWAY, WITHOUT].map((name) => valuesOf(result, name, 'cost_us'));
    if (own!.length === 0 || own!.length !== without!.length) return [];
    const differences = own!.map((value, round) => value - without![round]!).toSorted((a, b) => a - b);
    const outermost = Math.floor(differences.length / 5);
    const inner = differences.slice(outermost, differences.length - outermost).map((value) => value.toFixed(1));
    return [
      [
        ...[whatOf(result), median(own!).toFixed(1), median(without!).toFixed(1)],
        ...[`${median(differences).toFixed(1)} (${inner[0]} … ${inner.at(-1)})`, ratioText(ratioOf(result, GATEWAY, WITHOUT))],
      ],
    ];
  });
  return rows.length === 0 ? [] : [['CPU µs', 'with it', 'without', 'difference (rounds)', 'with ÷ without'], ...rows];
}

/** What clients and operators have of them. */
export function effectRows({ cases, proxies }: BenchResult): string[][] {
  const names = proxies.map(({ name }) => name);
  const rows = cases.flatMap((result) =>
    linesFor(result).flatMap(({ what, cell }) => {
      const cells = names.map((name) => cell(name) ?? '');
      return cells.some((text) => text !== '') ? [[what, ...cells]] : [];
    }),
  );
  const starts = names.map((name) => numberText(proxies.find((proxy) => proxy.name === name)?.startMs ?? undefined, 0) ?? '');
  return [['', ...names], ...rows, ['from its start to the first answer, ms', ...starts]];
}

/** Ratios that were refused, of those that could have been told. */
export function refusedRatios({ cases, proxies }: BenchResult): { readonly refused: number; readonly all: number } {
  const ratios = cases.flatMap((result) => proxies.filter(({ name }) => name !== FLOOR).map(({ name }) => ratioOf(result, name, FLOOR)));
  const told = ratios.filter(({ kind }) => kind !== 'none');
  return { refused: told.filter(({ kind }) => kind === 'noisy').length, all: told.length };
}

export function ratioOf(result: CaseResult, over: string, under: string): Ratio {
  // Pairs of one round: a round that one side lacks is none.
  const costs = (name: string) => (result.rounds[name] ?? []).map(({ figures }) => figures['cost_us'] ?? NaN);
  const [above, below] = [costs(over), costs(under)];
  const pairs = above.flatMap((value, round) => (Number.isFinite(value) && Number.isFinite(below[round]) ? [[value, below[round]!]] : []));
  return ratio(
    pairs.map(([value]) => value!),
    pairs.map(([, value]) => value!),
  );
}

export function reportText(result: BenchResult): string {
  const { refused, all } = refusedRatios(result);
  const { machine, cores, tools, rounds, seconds } = result;
  const pins =
    cores.proxy === null
      ? 'nothing pinned to a CPU'
      : `each proxy on CPU ${cores.proxy}, stub on CPU ${cores.stub}, load on CPU ${cores.load}`;
  const lines = [
    `Median of ${rounds} rounds of ${seconds} s, the proxies in turn; ± how far its rounds were apart, (×) CPU time beside the bare relay's in the same round.`,
    `${machine['cpu']}, ${machine['cores']} CPUs, ${machine['kernel']}, Node ${machine['node']}, Headgate ${result.version}; ${pins}; load average before: ${machine['load_before']}.`,
    ...result.proxies.map(({ name, what, version }) => `${name}: ${what}${version === null ? '' : ` (${version})`}`),
    ...(tools === 'Node'
      ? ['Stub and load generator ran in Node, for want of a C compiler: latencies and rates then include more of the tools than with gcc.']
      : []),
    ...errorLines(result),
    ...result.notes,
    ...(refused > 0
      ? [`This machine is too noisy: ${refused} of ${all} ratios are not told, because those of the rounds are more than a quarter apart.`]
      : []),
  ];
  const features = featureRows(result);
  const tables = [costRows(result), ...(features.length > 0 ? [features] : []), effectRows(result)];
  return `${tables.map((rows) => `${tableText(rows)}\n`).join('')}${lines.map((line) => `- ${line}\n`).join('')}`;
}

function costCell(result: CaseResult, name: string): string {
  const values = valuesOf(result, name, 'cost_us');
  if (values.length === 0) return '';
  const apart = values.length > 1 ? ` ±${Math.round(spread(values) * 50)} %` : '';
  const against = name === FLOOR ? null : ratioOf(result, name, FLOOR);
  return `${median(values).toFixed(1)}${apart}${against?.kind === 'ratio' ? ` (${against.value.toFixed(2)}×)` : ''}`;
}

export function ratioText(of: Ratio): string {
  if (of.kind === 'ratio') return of.value.toFixed(2);
  return of.kind === 'noisy' ? `too noisy: ratios differ by ${Math.round(of.spread * 100)} %` : NO_RATIO;
}

interface Line {
  readonly what: string;
  readonly cell: (proxy: string) => string | undefined;
}

function linesFor(result: CaseResult): Line[] {
  const of = CASES.find(({ name }) => name === result.name);
  if (!of) return [];
  const at =
    (figure: string, digits: number, scale = 1) =>
    (proxy: string) => {
      const values = valuesOf(result, proxy, figure);
      return values.length === 0 ? undefined : numberText(median(values) / scale, digits);
    };
  const beside = (figure: string) => (proxy: string) => {
    const [own, bare] = [valuesOf(result, proxy, figure), valuesOf(result, DIRECT, figure)];
    return own.length === 0 || bare.length === 0 ? undefined : numberText(median(own) - median(bare), 0);
  };
  const two = (first: Line['cell'], second: Line['cell']) => (proxy: string) => {
    const [a, b] = [first(proxy), second(proxy)];
    return a === undefined || b === undefined ? undefined : `${a} / ${b}`;
  };
  if (of.kind === 'added') return [{ what: `${of.what}: added p50 / p99, µs`, cell: two(beside('p50_us'), beside('p99_us')) }];
  if (of.kind === 'idle') {
    return [
      { what: 'idle, % of a core', cell: at('idle_percent', 2) },
      { what: 'idle after all of this, MiB', cell: at('idle_mib', 0) },
    ];
  }
  if (of.kind === 'held') return [{ what: `${of.what}: KiB a stream / MiB in all`, cell: two(at('stream_kib', 1), at('held_mib', 0)) }];
  const what = of.what.replace(/^a chunk, /, '');
  if (of.name === 'window') return [{ what: `${of.what}: p50 / p99, ms`, cell: two(at('p50_us', 1, 1000), at('p99_us', 1, 1000)) }];
  if (of.unit === 'call') return [{ what: `${of.what}: calls a second`, cell: at('calls_per_s', 0) }];
  const lines = [{ what: `${what}: delay of a chunk p50 / p99, ms`, cell: two(at('delay_p50_us', 1, 1000), at('delay_p99_us', 1, 1000)) }];
  if (of.load.abort === undefined) lines.unshift({ what: `${what}: chunks a second of ${offeredChunks(of)}`, cell: at('chunks_per_s', 0) });
  else lines.push({ what: `${what}: of them noticed by the worker, %`, cell: at('aborts_noticed', 0, 0.01) });
  return lines;
}

function whatOf({ name }: CaseResult): string {
  return CASES.find((of) => of.name === name)?.what ?? name;
}

function numberText(value: number | undefined, digits: number): string | undefined {
  return value === undefined || !Number.isFinite(value) ? undefined : value.toFixed(digits);
}

function errorLines({ cases }: BenchResult): string[] {
  return cases.flatMap(({ name, rounds }) =>
    Object.entries(rounds).flatMap(([proxy, all]) => {
      const sums = new Map<string, number>();
      for (const { errors } of all) for (const [kind, count] of Object.entries(errors)) sums.set(kind, (sums.get(kind) ?? 0) + count);
      if (sums.size === 0) return [];
      const told = [...sums].map(([kind, count]) => `${count} ${kind}`).join(', ');
      return [`ERRORS of ${proxy} in ${name}: ${told}`];
    }),
  );
}
