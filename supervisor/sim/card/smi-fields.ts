import type { SimulatedGpu } from './simulated-gpu.ts';
import { cardOf, cudaTotalMib, usedMib } from './vram-file.ts';
import type { VramGpu, VramHolder } from './vram-file.ts';

const NOT_AVAILABLE = '[N/A]';

/** A value of nvidia-smi without its unit, and the unit. */
interface SmiField {
  readonly unit?: 'MiB' | '%' | 'W' | 'MHz';
  value(gpu: VramGpu, card: SimulatedGpu, count: number): string;
}

const UP_TO_MIG = new Set(['a100-40', 'a100-80', 'h100', 'h200']);
/** Cards without a fan of their own: the fans of the case cool them. */
const FANLESS = new Set(['t4', 'l4', 'a10', 'l40s', 'a100-40', 'a100-80', 'h100', 'h200']);

function busId(gpu: VramGpu): string {
  return `00000000:${(gpu.index + 1).toString(16).toUpperCase().padStart(2, '0')}:00.0`;
}

function reserved(gpu: VramGpu): number {
  return Math.round(gpu.memory_total_mib - cudaTotalMib(gpu));
}

/** Without what the driver keeps for itself: drivers since 510 leave that out. */
function used(gpu: VramGpu): number {
  return Math.round(usedMib(gpu));
}

function isBusy(gpu: VramGpu): boolean {
  return gpu.holders.length > 0;
}

function ecc(card: SimulatedGpu): string {
  return card.ecc === null ? NOT_AVAILABLE : card.ecc ? 'Enabled' : 'Disabled';
}

const FIELDS: Readonly<Record<string, SmiField>> = {
  timestamp: { value: () => new Date().toISOString().slice(0, 23).replaceAll('-', '/').replace('T', ' ') },
  driver_version: { value: (gpu) => gpu.driver_version },
  count: { value: (_gpu, _card, count) => String(count) },
  name: { value: (gpu) => gpu.name },
  index: { value: (gpu) => String(gpu.index) },
  serial: { value: () => NOT_AVAILABLE },
  uuid: { value: (gpu) => gpu.uuid },
  'pci.bus_id': { value: busId },
  'memory.total': { unit: 'MiB', value: (gpu) => String(gpu.memory_total_mib) },
  'memory.reserved': { unit: 'MiB', value: (gpu) => String(reserved(gpu)) },
  'memory.used': { unit: 'MiB', value: (gpu) => String(used(gpu)) },
  'memory.free': { unit: 'MiB', value: (gpu) => String(Math.max(0, gpu.memory_total_mib - reserved(gpu) - used(gpu))) },
  compute_cap: { value: (gpu) => gpu.compute_cap.toFixed(1) },
  compute_mode: { value: () => 'Default' },
  persistence_mode: { value: () => 'Enabled' },
  display_active: { value: () => 'Disabled' },
  display_mode: { value: () => 'Disabled' },
  'ecc.mode.current': { value: (_gpu, card) => ecc(card) },
  'ecc.mode.pending': { value: (_gpu, card) => ecc(card) },
  'mig.mode.current': { value: (_gpu, card) => (UP_TO_MIG.has(card.id) ? 'Disabled' : NOT_AVAILABLE) },
  'mig.mode.pending': { value: (_gpu, card) => (UP_TO_MIG.has(card.id) ? 'Disabled' : NOT_AVAILABLE) },
  'utilization.gpu': { unit: '%', value: () => '0' },
  'utilization.memory': { unit: '%', value: () => '0' },
  'temperature.gpu': { value: (gpu) => (isBusy(gpu) ? '45' : '34') },
  'temperature.memory': { value: () => 'N/A' },
  'fan.speed': { unit: '%', value: (_gpu, card) => (FANLESS.has(card.id) ? NOT_AVAILABLE : '30') },
  pstate: { value: (gpu) => (isBusy(gpu) ? 'P0' : 'P8') },
  'power.draw': { unit: 'W', value: (gpu, card) => (card.powerLimitW * (isBusy(gpu) ? 0.35 : 0.12)).toFixed(2) },
  'power.limit': { unit: 'W', value: (_gpu, card) => card.powerLimitW.toFixed(2) },
  'clocks.sm': { unit: 'MHz', value: (gpu) => (isBusy(gpu) ? '1410' : '300') },
  'clocks.mem': { unit: 'MHz', value: (gpu) => (isBusy(gpu) ? '5001' : '405') },
  'clocks_throttle_reasons.active': { value: (gpu) => (isBusy(gpu) ? '0x0000000000000000' : '0x0000000000000001') },
};

const ALIASES: Readonly<Record<string, string>> = {
  gpu_name: 'name',
  gpu_uuid: 'uuid',
  gpu_serial: 'serial',
  gpu_bus_id: 'pci.bus_id',
  'clocks_event_reasons.active': 'clocks_throttle_reasons.active',
  'clocks.current.sm': 'clocks.sm',
  'clocks.current.memory': 'clocks.mem',
};

/** The field of that name, or of an older or newer name for it. */
export function smiField(name: string): SmiField | undefined {
  const known = ALIASES[name] ?? name;
  return Object.hasOwn(FIELDS, known) ? FIELDS[known] : undefined;
}

/** What nvidia-smi says of one card. `overrides` go first, then the file's own values. */
export function smiValue(gpu: VramGpu, name: string, count: number, overrides: ReadonlyMap<string, string>): string {
  return overrides.get(name) ?? gpu.values[name] ?? smiField(name)!.value(gpu, cardOf(gpu), count);
}

/** Holders of memory that nvidia-smi shows: processes that live and can be seen from here. */
export function visibleHolders(gpu: VramGpu): (VramHolder & { readonly pid: number })[] {
  return gpu.holders.flatMap((holder) => (holder.pid === null || holder.ended_at_ms !== null ? [] : [{ ...holder, pid: holder.pid }]));
}

interface AppField {
  readonly unit?: 'MiB';
  value(holder: VramHolder & { readonly pid: number }, gpu: VramGpu): string;
}

const APP_FIELDS: Readonly<Record<string, AppField>> = {
  timestamp: { value: () => new Date().toISOString().slice(0, 23).replaceAll('-', '/').replace('T', ' ') },
  gpu_name: { value: (_holder, gpu) => gpu.name },
  gpu_bus_id: { value: (_holder, gpu) => busId(gpu) },
  gpu_serial: { value: () => NOT_AVAILABLE },
  gpu_uuid: { value: (_holder, gpu) => gpu.uuid },
  pid: { value: (holder) => String(holder.pid) },
  process_name: { value: (holder) => holder.title },
  name: { value: (holder) => holder.title },
  used_gpu_memory: { unit: 'MiB', value: (holder) => String(Math.round(holder.mib)) },
  used_memory: { unit: 'MiB', value: (holder) => String(Math.round(holder.mib)) },
};

/** The field of that name for `--query-compute-apps`. */
export function smiAppField(name: string): AppField | undefined {
  return Object.hasOwn(APP_FIELDS, name) ? APP_FIELDS[name] : undefined;
}
