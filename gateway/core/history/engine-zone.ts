import { readFileSync, rmSync, writeFileSync } from 'node:fs';

/** In which time zone an engine stamps its lines: they have local time, and say not where. */
export interface EngineZone {
  /** As the tz database has it; null where it has no name there. */
  readonly name: string | null;
  /** Ahead of UTC, as the engine was started. */
  readonly offsetMinutes: number;
}

const MOST_MINUTES = 24 * 60;
const MOST_BYTES = 1_024;

/** Where the zone of an engine's log lies, beside it: that of what was over the limit is the same. */
export function zonePath(log: string): string {
  return log.replace(/\.log(?:\.1)?$/, '.zone');
}

/** What is on record beside a log; null where nothing is, or nothing sound. Never throws. */
export function readZone(log: string): EngineZone | null {
  try {
    const text = readFileSync(zonePath(log), 'utf8');
    const said = (text.length > MOST_BYTES ? null : JSON.parse(text)) as Partial<Record<keyof EngineZone, unknown>> | null;
    const { name, offsetMinutes } = said ?? {};
    if (typeof offsetMinutes !== 'number' || !Number.isInteger(offsetMinutes) || Math.abs(offsetMinutes) > MOST_MINUTES) return null;
    return { name: typeof name === 'string' && isZone(name) ? name : null, offsetMinutes };
  } catch {
    return null;
  }
}

/** Puts it beside a log that begins. One that cannot be written is no reason to start nothing: whoever reads the log takes his own zone. */
export function noteZone(log: string, zone: EngineZone | null): void {
  try {
    if (zone === null) rmSync(zonePath(log), { force: true });
    else writeFileSync(zonePath(log), `${JSON.stringify(zone)}\n`, { mode: 0o600 });
  } catch {
    // The disk is full, or read-only: so will the log be.
  }
}

/**
 * The zone of a process that is started from here with this TZ. What is no name of the tz database is taken to be our own TZ, as the
 * engine gets it from us; null for a rule that we do not understand.
 * @param nowMs wall-clock milliseconds
 */
export function zoneOfChild(tz: string | undefined, nowMs: number): EngineZone | null {
  if (tz !== undefined && isZone(tz)) return { name: tz, offsetMinutes: offsetIn(tz)(nowMs) };
  // Our own runtime takes UTC for such a one.
  if (tz?.startsWith('<') === true) return null;
  const name = new Intl.DateTimeFormat().resolvedOptions().timeZone as string | undefined;
  return { name: name !== undefined && isZone(name) ? name : null, offsetMinutes: -new Date(nowMs).getTimezoneOffset() };
}

/** How far ahead of UTC a zone of the tz database is at a moment, in minutes. @throws RangeError where it is none */
export function offsetIn(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset', hour: 'numeric' });
  return (ms) => {
    const said = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(said) ?? [];
    return hours === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  };
}

function isZone(name: string): boolean {
  if (name === 'Etc/Unknown') return false;
  try {
    // It throws where there is none.
    offsetIn(name);
    return true;
  } catch {
    return false;
  }
}
