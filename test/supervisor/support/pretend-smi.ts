import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GpuReading } from '../../../supervisor/gpu/gpu.ts';
import { scratchFolder } from './scratch.ts';

/** What a pretended nvidia-smi says of a card, by field. A field that is missing is one that its driver does not know. */
export type PretendedCard = Readonly<Record<string, string>>;

export interface PretendedMachine {
  readonly cards: readonly PretendedCard[];
  /** The output of `nvidia-smi -L`. */
  readonly list?: string;
  /** Lines of `--query-compute-apps=pid,gpu_uuid,used_memory,process_name`. */
  readonly apps?: string;
}

/** A card as a current driver describes it. */
export function pretendCard(name: string, memoryMib: number, computeCap: string, more: PretendedCard = {}): PretendedCard {
  return {
    index: '0',
    uuid: `GPU-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '')}`,
    name,
    'memory.total': String(memoryMib),
    'memory.free': String(memoryMib - 450),
    driver_version: '580.95.05',
    'memory.used': '4',
    'utilization.gpu': '0',
    'temperature.gpu': '41',
    'power.draw': '17.31',
    compute_cap: computeCap,
    display_active: 'Disabled',
    'memory.reserved': '446',
    'mig.mode.current': '[N/A]',
    ...more,
  };
}

const QUERY = `awk -F= -v fields="$fields" '
  { value[$1] = substr($0, index($0, "=") + 1) }
  END {
    count = split(fields, field, ",")
    for (i = 1; i <= count; i++) {
      if (!(field[i] in value)) { print "Field \\"" field[i] "\\" is not a valid field to query."; exit 2 }
      line = line (i > 1 ? ", " : "") value[field[i]]
    }
    print line
  }'`;

/** A folder with an `nvidia-smi` that speaks of this machine. Each of its runs adds a line to the file `calls` there. */
export function pretendSmi({ cards, list = '', apps = '' }: PretendedMachine): string {
  const folder = smiThat(`case "$1" in
  -L) cat "$here/list"; exit 0;;
  --query-compute-apps=*) cat "$here/apps"; exit 0;;
  --query-gpu=*) fields=\${1#--query-gpu=};;
  *) exit 2;;
esac
for card in "$here"/card-*; do
  [ -e "$card" ] || { echo "No devices were found"; exit 6; }
  ${QUERY} "$card" || exit 2
done`);
  cards.forEach((card, index) => {
    const fields = { ...card, index: String(index) };
    const lines = Object.entries(fields).map(([field, value]) => `${field}=${value}\n`);
    writeFileSync(join(folder, `card-${index}`), lines.join(''));
  });
  writeFileSync(join(folder, 'list'), list);
  writeFileSync(join(folder, 'apps'), apps);
  return folder;
}

/** A folder with an `nvidia-smi` that runs these shell lines; `$here` is the folder. */
export function smiThat(script: string): string {
  const folder = scratchFolder();
  const file = join(folder, 'nvidia-smi');
  writeFileSync(file, `#!/bin/sh\nhere='${folder}'\necho "$1" >> "$here/calls"\n${script}\n`);
  chmodSync(file, 0o755);
  return folder;
}

/** A card as the supervisor sees it after asking. */
export function reading(name: string, memoryMib: number, computeCap: number | null, more: Partial<GpuReading> = {}): GpuReading {
  return {
    index: 0,
    uuid: 'GPU-x',
    name,
    memoryTotalBytes: memoryMib * 2 ** 20,
    memoryUsedBytes: null,
    memoryFreeBytes: null,
    memoryReservedBytes: null,
    utilization: null,
    temperatureCelsius: null,
    powerWatts: null,
    computeCap,
    driverVersion: null,
    display: false,
    parentUuid: null,
    fault: null,
    ...more,
  };
}
