import { EXIT_USAGE } from '../../../gateway/config/exit-codes.ts';
import { MOST_LEASE_MINUTES } from '../../../gateway/link/lease-path.ts';

/** What the command line asks for. */
export interface LeaseRequest {
  readonly minutes: number;
  readonly gpu: string | null;
  readonly holder: string;
}

const LONGEST_NAME = 80;

/** Splits `FLAGS -- COMMAND ARGS`. `program`: empty where none is named. */
export function splitAtDashes(argv: readonly string[]): { readonly flags: readonly string[]; readonly program: readonly string[] } {
  const at = argv.indexOf('--');
  return at === -1 ? { flags: argv, program: [] } : { flags: argv.slice(0, at), program: argv.slice(at + 1) };
}

/** @returns what is wrong, as a sentence without its stop. `fallback`: who has the card where nobody says. */
export function readRequest(own: ReadonlyMap<string, string | true>, fallback: string): LeaseRequest | string {
  const minutes = Number(own.get('minutes') ?? NaN);
  if (!own.has('minutes')) return `--minutes is missing: how long the card is lent, 1 to ${MOST_LEASE_MINUTES}`;
  if (!(minutes >= 1 && minutes <= MOST_LEASE_MINUTES))
    return `--minutes ${own.get('minutes')} is no time; write 1 to ${MOST_LEASE_MINUTES}`;
  const holder = String(own.get('holder') ?? fallback).replaceAll(/\s+/g, ' ');
  const gpu = own.get('gpu');
  return { minutes, gpu: typeof gpu === 'string' ? gpu : null, holder: holder.trim().slice(0, LONGEST_NAME) || fallback };
}

/** Says what is wrong with the command line. @returns the exit code */
export function wrongUsage(problem: string): number {
  process.stderr.write(`headgate: ${problem}\n"headgate help lease" tells its usage.\n`);
  return EXIT_USAGE;
}
