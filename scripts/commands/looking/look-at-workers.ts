import type { Settings } from '../../../gateway/config/schema/settings.ts';
import type { Clock } from '../../../gateway/core/clock.ts';
import { adapterOf } from '../../../gateway/engines/adapters.ts';
import { LoadSource } from '../../../gateway/engines/load-source.ts';
import { listedAmiss, listedFailure } from '../../../gateway/workers/listed-failure.ts';
import { type Finding, lookAt } from '../../../gateway/workers/look.ts';
import { addressOf, type WorkerListing } from '../../../gateway/workers/worker-listing.ts';
import { createTransport } from '../../../gateway/workers/wire/transport.ts';

/** What `headgate doctor` says of a worker that the settings list, or that was found. */
export interface WorkerReport {
  readonly url: string;
  /** What found it; null: the settings list it. */
  readonly source: string | null;
  readonly ok: boolean;
  /** As `workers[].engine` is written; null: it could not be found out. */
  readonly engine: string | null;
  readonly version: string | null;
  readonly models: readonly string[];
  /** The page that tells its load; null: none does. */
  readonly load_from: string | null;
  /** What is the matter, and what to do, in words. */
  readonly notes: readonly string[];
}

/** A large fleet is not asked all at once. */
const AT_ONCE = 64;

/** Asks each worker, as the gateway would, which it is and how it is. Nothing but GETs. */
export async function lookAtWorkers(
  listings: readonly WorkerListing[],
  { connect_ms: connectMs }: Settings['timeouts'],
  clock: Clock,
): Promise<WorkerReport[]> {
  const reports: WorkerReport[] = [];
  for (let from = 0; from < listings.length; from += AT_ONCE) {
    const some = listings.slice(from, from + AT_ONCE);
    reports.push(...(await Promise.all(some.map((listing) => lookAtOne(listing, connectMs, clock)))));
  }
  return reports;
}

async function lookAtOne(listing: WorkerListing, connectMs: number, clock: Clock): Promise<WorkerReport> {
  const { url, apiKey, models, engine = 'auto', source = null } = listing;
  const { url: origin, apiPath } = addressOf({ url, engine }, new Map());
  const transport = createTransport({ url: origin, apiPath, apiKey, clock, connectMs: () => connectMs });
  try {
    const get = transport.get.bind(transport);
    const finding = await lookAt(get, {
      models,
      engine,
      found: null,
      isFound: source !== null,
      version: null,
      ready: false,
      tellsPause: true,
    });
    const report = finding.kind === 'well' ? await wellReport(url, finding, get, clock) : unwellReport(url, finding, clock);
    return { url, source, ...report };
  } finally {
    await transport.close();
  }
}

type Said = Omit<WorkerReport, 'url' | 'source'>;
type Get = Parameters<typeof lookAt>[0];

async function wellReport(
  url: string,
  { models, version, engine, amiss }: Extract<Finding, { kind: 'well' }>,
  get: Get,
  clock: Clock,
): Promise<Said> {
  const from = await loadFrom(engine, get);
  const failure = amiss ? listedAmiss(url, amiss, clock.wall()) : null;
  const { advice } = adapterOf({ engine });
  const notes = failure ? [failure.message, failure.advice] : [];
  if (from === null && advice !== undefined) notes.push(`It tells its load nowhere. ${advice}`);
  return { ok: failure === null, engine, version, models: models.map(({ id }) => id), load_from: from, notes };
}

function unwellReport(url: string, finding: Extract<Finding, { kind: 'unwell' }>, clock: Clock): Said {
  const { message, advice } = listedFailure(url, 'starting', finding, clock.wall());
  return { ok: false, engine: null, version: null, models: [], load_from: null, notes: [message, advice] };
}

async function loadFrom(engine: string | null, get: Get): Promise<string | null> {
  const adapter = adapterOf({ engine });
  const source = new LoadSource();
  for (const page of adapter.loads) {
    const answer = await get(page.path, page.timeoutMs).catch(() => null);
    if (answer && source.read(page, answer.status, answer.body) !== null) return page.path;
  }
  return null;
}
