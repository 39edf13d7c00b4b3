import { stringify } from 'yaml';
import type { Tuning, TuningChange } from '../../../supervisor/profile/schema.ts';
import type { Point } from '../grid/axes.ts';

/** Flags that decide on memory: an overlay names them, so that nothing is reckoned anew where it is used. */
const OF_MEMORY = ['gpu_memory_utilization', 'max_model_len', 'max_num_seqs', 'max_num_batched_tokens', 'max_cudagraph_capture_size'];

export interface OverlaySubject {
  readonly model: string;
  /** The GPU profile. */
  readonly gpu: string;
  readonly source: string;
  /** The tuning that lies below. */
  readonly base: Tuning;
  /** What the engine is launched with as things are. */
  readonly usual: Readonly<Record<string, unknown>>;
}

export interface Overlay {
  readonly title: string;
  readonly engine: Readonly<Record<string, TuningChange>>;
  readonly measured: NonNullable<Tuning['measured']>;
}

/** A tuning that has the flags of this point, over what the tuning below changes and what the engine has by itself. */
export function overlayOf({ model, gpu, source, base, usual }: OverlaySubject, point: Point, title: string, at: string | null): Overlay {
  const kept = OF_MEMORY.flatMap((flag) => (typeof usual[flag] === 'number' ? [[flag, { set: usual[flag] }] as const] : []));
  const own = Object.entries(point.flags).map(([flag, value]) => [flag, { set: value }] as const);
  return {
    title,
    engine: { ...base.engine, ...Object.fromEntries(kept), ...Object.fromEntries(own) },
    measured: { model, gpu, source, ...(at === null ? {} : { at }) },
  };
}

/** As a file of profiles has it. `notes`: lines of comment at its top. */
export function overlayText(overlay: Overlay, notes: readonly string[] = []): string {
  const top = notes.map((note) => `# ${note.replaceAll(/\s+/g, ' ')}\n`).join('');
  return top + stringify(overlay, { lineWidth: 0 });
}

/** A name for a file of profiles, after what it is for. */
export function overlayName(model: string, gpu: string): string {
  const tail = model.split('/').at(-1) ?? model;
  return `tuned-${tail}-${gpu}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .slice(0, 80);
}
