import { z } from 'zod';
import { checked } from './values/kinds.ts';

// Where what must be known after a restart is kept, beyond the state of engines: who used how much.

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
        'Where it is kept who used how much, once there are keys or budgets: auto (headgate.db in supervisor.state_dir), or sqlite:PATH, a file on a disk of this machine.',
    }),
  });
