import { z } from 'zod';
import { storeAddressProblem } from './values/store-address.ts';
import { checked, count, HOUR_MS, ms, share } from './values/kinds.ts';

// What outlives a restart, beyond the state of engines: who used how much, files of clients, and batches that are made of them.

/** As libpq means them. */
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-full'];

/** What is wrong with the place of the database, or null. The value itself is never repeated: a URL may hold a password. */
export function databaseUrlProblem(text: string): string | null {
  if (text === 'auto') return null;
  if (/^postgres(?:ql)?:/i.test(text)) return serverUrlProblem(text);
  if (!text.startsWith('sqlite:'))
    return 'expected auto, sqlite: and the path of a file, such as sqlite:/var/lib/headgate/headgate.db, or postgres://USER:PASSWORD@HOST/NAME';
  const path = text.slice('sqlite:'.length);
  if (path === '' || path.endsWith('/') || path.length > 4_096 || path.includes('\0')) return 'expected the path of a file after sqlite:';
  if (path.startsWith('//') || path.startsWith(':'))
    return 'expected a plain path after sqlite:, such as sqlite:/var/lib/headgate/headgate.db';
  return null;
}

function serverUrlProblem(text: string): string | null {
  const url = URL.parse(text);
  const form = 'expected a URL such as postgres://USER:PASSWORD@10.0.0.7:5432/headgate';
  if (url === null || /,/.test(url.host) || !/^postgres(?:ql)?:\/\/[^/?#]/.test(text) || url.hostname === '')
    return `${form}, with one host`;
  const problem = storeAddressProblem(url);
  if (problem !== null) return problem;
  if (text.includes('#')) return 'a URL here has no fragment: # in a password is written %23';
  if (!/^\/[^/]{1,63}$/.test(url.pathname)) return `after the host there is the name of a database: ${form}`;
  const [unknown] = [...url.searchParams.keys()].filter((name) => name !== 'sslmode');
  if (unknown !== undefined) return 'of parameters only sslmode is known here; ? in a password is written %3F';
  const mode = url.searchParams.get('sslmode');
  return mode === null || SSL_MODES.includes(mode) ? null : `sslmode is one of ${SSL_MODES.join(', ')}`;
}

export const database = () =>
  z.strictObject({
    url: checked(databaseUrlProblem).default('auto').meta({
      description:
        'Where it is kept who used how much, once there are keys or budgets, and what is known of files and batches: auto (headgate.db in supervisor.state_dir); sqlite:PATH, a file on a disk of this machine; or postgres://USER:PASSWORD@HOST/NAME, a PostgreSQL that several gateways share.',
    }),
  });

const YEAR_MS = 366 * 24 * HOUR_MS;
/** A petabyte: nobody means more. */
const MOST_TOTAL_BYTES = 1024 ** 5;

/** What is wrong with the folder of the files, or null. */
export function filesDirProblem(text: string): string | null {
  return /^[^\0]{1,4096}$/.test(text) ? null : 'expected auto, the path of a folder, or database';
}

export const files = () =>
  z.strictObject({
    dir: checked(filesDirProblem)
      .default('auto')
      .describe(
        'Folder that holds what clients upload and what batches write: auto (files in supervisor.state_dir, or the PostgreSQL of database.url where that is set), the path of a folder that all gateways see, or database: in that PostgreSQL.',
      ),
    max_file_bytes: count(1, 8 * 1024 ** 3)
      .default(536_870_912)
      .describe('Largest file in bytes; an upload that goes on is cut with 413.'),
    batch_max_file_bytes: count(1, 8 * 1024 ** 3)
      .default(209_715_200)
      .describe('Largest input file of a batch in bytes.'),
    batch_max_requests: count(1, 1_000_000).default(50_000).describe('Most requests that one input file of a batch may hold.'),
    expire_batch_files_after_ms: ms(HOUR_MS, YEAR_MS)
      .default(2_592_000_000)
      .describe('When input, output and error files of batches are deleted, unless whoever made them said otherwise.'),
    max_total_bytes: count(1, MOST_TOTAL_BYTES)
      .nullable()
      .default(null)
      .describe('What all files together may have in bytes; an upload beyond that is answered 507. null: as much as the disk has.'),
  });

export const batches = () =>
  z.strictObject({
    enabled: z.boolean().default(true).describe('Takes batches (/v1/batches) and runs them.'),
    max_running: count(1, 1_000).default(4).describe('Batches that run at once; others wait for their turn.'),
    share: share().default(1).describe('How much of the places that interactive calls leave free batches may take.'),
    when_busy: z
      .enum(['yield', 'finish'])
      .default('yield')
      .describe(
        'What becomes of running lines when an interactive call has to wait for a place. yield: the newest is taken back and runs again later. finish: they run to their end.',
      ),
    allow_mixed_models: z.boolean().default(true).describe('Whether lines of one file may name different models.'),
    cancel_grace_ms: ms(0, HOUR_MS)
      .default(30_000)
      .describe('How long running lines of a cancelled batch may take to end before they are cut.'),
    line_max_attempts: count(1, 100).default(5).describe('Attempts of a line that a worker fails, before that is its answer.'),
  });
