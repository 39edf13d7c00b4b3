import type { GuardrailSettings } from '../figures/guardrail.ts';
import type { AdminDoor } from '../../load/place.ts';
import { askAdmin } from './trial.ts';

/** What a gateway says of the settings before a test, of those that matter to it. */
export interface GatewayView {
  readonly guardrail: GuardrailSettings | null;
  /** By path; what is set nowhere is left out. */
  readonly before: Readonly<Record<string, unknown>>;
}

/** @throws Error in words, where nothing answers */
export async function viewOf(door: AdminDoor, paths: readonly string[]): Promise<GatewayView> {
  const { status, body } = await askAdmin(door, '/admin/config');
  const settings = status === 200 ? (body as { readonly settings?: unknown } | null)?.settings : null;
  const value = (path: string): unknown => entryAt(settings, path)?.['value'];
  const [sloMs, enabled] = [value('batch_window.guardrail.p95_slo_ms'), value('batch_window.guardrail.enabled')];
  return {
    guardrail: typeof sloMs === 'number' ? { sloMs, enabled: enabled === true } : null,
    before: Object.fromEntries(paths.map((path) => [path, value(path)]).filter(([, found]) => found !== undefined)),
  };
}

function entryAt(settings: unknown, path: string): Readonly<Record<string, unknown>> | undefined {
  let at = settings;
  for (const name of path.split('.')) at = (at as Readonly<Record<string, unknown>> | null | undefined)?.[name];
  return typeof at === 'object' && at !== null ? (at as Readonly<Record<string, unknown>>) : undefined;
}

/** The width of a model's batch window that is in force; null where there is none or it cannot be told. Never throws. */
export async function windowOf(door: AdminDoor, model: string): Promise<number | null> {
  const answer = await askAdmin(door, '/metrics').catch(() => null);
  return answer?.status === 200 ? windowIn(answer.text, model) : null;
}

/** From a page of metrics. */
export function windowIn(page: string, model: string): number | null {
  const widths = page.split('\n').filter((line) => line.startsWith('headgate_batch_window_ms{'));
  const own = widths.find((line) => line.includes(`model="${model}"`)) ?? (widths.length === 1 ? widths[0] : undefined);
  const width = Number(own?.slice(own.lastIndexOf(' ') + 1) ?? NaN);
  return Number.isNaN(width) ? null : width;
}
