import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a gateway of a state folder is reached, as it has written down at its start. */
export interface Whereabouts {
  readonly pid: number;
  /** Of the API, to be asked from this machine. */
  readonly url: string;
  /** Of /admin: the same, unless it has a port of its own. */
  readonly adminUrl: string;
  /** ISO time. */
  readonly startedAt: string;
}

const NAME = /^gateway-(\d{1,10})\.json$/;
/** Kept beside the newest: what killed gateways left behind must not pile up. */
const MOST = 16;
const MOST_BYTES = 4_096;

/**
 * Writes down where a gateway listens, so that the command line finds it whatever port it was given. Whoever reads it asks there: a gateway
 * that is killed takes nothing back. @returns what takes it back. @throws what the disk says
 */
export function noteWhereabouts(stateDir: string, where: Whereabouts): () => void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const file = join(stateDir, `gateway-${where.pid}.json`);
  const draft = `${file}.new`;
  writeFileSync(draft, `${JSON.stringify(where)}\n`, { mode: 0o600 });
  renameSync(draft, file);
  for (const { pid } of readWhereabouts(stateDir).slice(MOST)) remove(join(stateDir, `gateway-${pid}.json`));
  return () => {
    // In containers that share the folder, all of them may be process 1.
    if (readOne(file)?.startedAt === where.startedAt) remove(file);
  };
}

/** What is on record in a state folder, the newest first, running or not. Never throws. */
export function readWhereabouts(stateDir: string): Whereabouts[] {
  try {
    return readdirSync(stateDir)
      .filter((name) => NAME.test(name))
      .flatMap((name) => readOne(join(stateDir, name)) ?? [])
      .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  } catch {
    return [];
  }
}

function readOne(file: string): Whereabouts | null {
  try {
    const text = readFileSync(file, 'utf8');
    const said = (text.length > MOST_BYTES ? null : JSON.parse(text)) as Partial<Record<keyof Whereabouts, unknown>> | null;
    const { pid, url, adminUrl, startedAt } = said ?? {};
    if (typeof pid !== 'number' || typeof startedAt !== 'string') return null;
    const [api, admin] = [askable(url), askable(adminUrl)];
    return api === null || admin === null ? null : { pid, url: api, adminUrl: admin, startedAt };
  } catch {
    return null;
  }
}

/** Listening on every address is asked for on loopback. null: no address of a gateway. */
function askable(text: unknown): string | null {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url === null || url.protocol !== 'http:' || url.port === '') return null;
  const host = url.hostname === '0.0.0.0' ? '127.0.0.1' : url.hostname === '[::]' ? '[::1]' : url.hostname;
  return `http://${host}:${url.port}`;
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // It is found stale by whoever asks.
  }
}
