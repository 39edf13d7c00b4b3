import { z } from 'zod';
import { checked, count, HOUR_MS, ms, share } from './values/kinds.ts';

// What outlives a restart, beyond the state of engines: who used how much, files of clients, and batches that are made of them.

/** What is wrong with the place of the database, or null. The value itself is never repeated: a URL may hold a password. */
export function databaseUrlProblem(text: string): string | null {
  if (text === 'auto') return null;
  if (/^postgres(?:ql)?:/i.test(text)) return 'PostgreSQL is not supported yet: use auto, or sqlite:PATH';
  if (!text.startsWith('sqlite:')) return 'expected auto, or sqlite: and the path of a file, such as sqlite:/var/lib/headgate/headgate.db';
  const path = text.slice('sqlite:'.length);
  if (path === '' || path.endsWith('/') || path.length > 4_096 || path.includes('\0')) return 'expected the path of a file after sqlite:';
  if (path.startsWith('//') || path.startsWith(':'))
    return 'expected a plain path after sqlite:, such as sqlite:/var/lib/headgate/headgate.db';
  return null;
}

export const database = () =>
  z.strictObject({
    url: checked(databaseUrlProblem).default('auto').meta({
      description:
        'Where it is kept who used how much, once there are keys or budgets, and what is known of files and batches: auto (headgate.db in supervisor.state_dir), or sqlite:PATH, a file on a disk of this machine.',
    }),
  });

const YEAR_MS = 366 * 24 * HOUR_MS;
/** A petabyte: nobody means more. */
const MOST_TOTAL_BYTES = 1024 ** 5;

/** What is wrong with the folder of the files, or null. */
export function filesDirProblem(text: string): string | null {
  if (text === 'database')
    return 'keeping files in the database takes PostgreSQL, which is not supported yet: use auto, or the path of a folder';
  return /^[^\0]{1,4096}$/.test(text) ? null : 'expected auto, or the path of a folder';
}

export const files = () =>
  z.strictObject({
    dir: checked(filesDirProblem)
      .default('auto')
      .describe('Folder that holds what clients upload and what batches write: auto (files in supervisor.state_dir), or a path.'),
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
