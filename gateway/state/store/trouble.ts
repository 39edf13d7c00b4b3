import type { StoreTrouble } from './words.ts';

const ADVICE: Readonly<Record<StoreTrouble, string>> = {
  locked: 'another program keeps it to itself; end that, or wait',
  full: 'make room on the disk that database.url lies on',
  corrupt: 'move it away, and a new one is made; what it knew is then not counted',
  newer: 'run the newer version, or set database.url to another file',
  unwritable: 'let its folder and itself be writable for the user who runs the gateway, or set database.url',
  disk: 'look after the disk that it is on, or set database.url to a file elsewhere',
  removed: 'put back what was removed while the gateway is stopped; a new one is made now, which knows nothing of what was there',
  thread: 'it is tried again',
  unreachable: 'see that the server runs and can be reached from here; it is tried again',
  auth: 'let user, password and database of database.url be those of the server, and its rules let this machine in',
  timeout: 'see what the server, or its disk, has to do; it is tried again',
  error: 'it is tried again',
};

/** Where it is another. */
const OF_SERVER: Partial<Record<StoreTrouble, string>> = {
  full: "make room on the server's disk",
  corrupt: 'look into the log of the server, and put its data back from a backup',
  newer: 'run the newer version, or let database.url name another database',
  unwritable: 'let database.url name the server that takes writes, and not a copy of it',
  disk: 'look after the disk that the server has; it is tried again',
};

/** What helps. */
export function adviceFor(trouble: StoreTrouble, kind: 'file' | 'server'): string {
  return (kind === 'server' ? OF_SERVER[trouble] : undefined) ?? ADVICE[trouble];
}
