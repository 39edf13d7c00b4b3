import type { Settings } from '../../../gateway/config/schema/settings.ts';
import type { Clock } from '../../../gateway/core/clock.ts';
import { adapterOf } from '../../../gateway/engines/adapters.ts';
import { LoadSource } from '../../../gateway/engines/load-source.ts';
import { listedAmiss, listedFailure } from '../../../gateway/workers/listed-failure.ts';
import { type Finding, lookAt } from '../../../gateway/workers/look.ts';
import { addressOf } from '../../../gateway/workers/worker-listing.ts';
import { createTransport } from '../../../gateway/workers/wire/transport.ts';

/** What `headgate doctor` says of a worker that the settings list. */
export interface ListedReport {
  readonly url: string;
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

/** Asks each listed worker, as the gateway would, which it is and how it is. Nothing but GETs. */
export function lookAtListed({ workers, timeouts }: Settings, clock: Clock): Promise<ListedReport[]> {
  const listed = workers.flatMap(({ url, ...rest }) => (url === null ? [] : [{ url, ...rest }]));
  return Promise.all(
    listed.map(async ({ url, api_key: apiKey, models, engine }): Promise<ListedReport> => {
      const { url: origin, apiPath } = addressOf({ url, engine }, new Map());
      const transport = createTransport({ url: origin, apiPath, apiKey, clock, connectMs: () => timeouts.connect_ms });
      try {
        const get = transport.get.bind(transport);
        const finding = await lookAt(get, { models, engine, found: null, isFound: false, version: null, ready: false, tellsPause: true });
        return finding.kind === 'well' ? await wellReport(url, finding, get, clock) : unwellReport(url, finding, clock);
      } finally {
        await transport.close();
      }
    }),
  );
}

type Get = Parameters<typeof lookAt>[0];

async function wellReport(
  url: string,
  { models, version, engine, amiss }: Extract<Finding, { kind: 'well' }>,
  get: Get,
  clock: Clock,
): Promise<ListedReport> {
  const from = await loadFrom(engine, get);
  const failure = amiss ? listedAmiss(url, amiss, clock.wall()) : null;
  const { advice } = adapterOf({ engine });
  const notes = failure ? [failure.message, failure.advice] : [];
  if (from === null && advice !== undefined) notes.push(`It tells its load nowhere. ${advice}`);
  return { ...{ url, ok: failure === null, engine, version, models: models.map(({ id }) => id) }, load_from: from, notes };
}

function unwellReport(url: string, finding: Extract<Finding, { kind: 'unwell' }>, clock: Clock): ListedReport {
  const { message, advice } = listedFailure(url, 'starting', finding, clock.wall());
  return { url, ok: false, engine: null, version: null, models: [], load_from: null, notes: [message, advice] };
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

const MOST_MODELS = 5;

/** For a terminal; '' where nobody is listed. */
export function listedText(reports: readonly ListedReport[]): string {
  if (reports.length === 0) return '';
  const lines = reports.flatMap(({ url, engine, version, models, load_from: from, notes }) => {
    if (models.length === 0) return [`  ${url}`, ...notes.map((note) => `    ${note}`)];
    const name = [engine === null || engine === 'sim' ? (engine ?? 'unknown engine') : adapterOf({ engine }).name, version]
      .filter((each) => each !== null)
      .join(' ');
    const more = models.length > MOST_MODELS ? ` and ${models.length - MOST_MODELS} more` : '';
    const load = from === null ? 'tells no load' : `tells its load at ${from}`;
    return [`  ${url}  ${name}: ${models.slice(0, MOST_MODELS).join(', ')}${more}; ${load}`, ...notes.map((note) => `    ${note}`)];
  });
  return `\nListed workers\n${lines.join('\n')}\n`;
}
