import { uptime } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from './database.ts';
import { Records } from './records.ts';
import { failureOf } from './trouble.ts';
import type { StoreAnswer, StoreQuestion } from './words.ts';

// The program of the thread that has the database. A disk that stands still, or a file that somebody keeps, holds up no stream here.

const { file } = workerData as { readonly file: string };
const port = parentPort!;
const NOTHING = { grants: [], database: '', spent: null };
// In older versions of Node the module says at every start that it is an experiment.
process.removeAllListeners('warning');

let open: { readonly records: Records; readonly close: () => void } | null = null;

port.on('message', ({ id, question }: { id: number; question: StoreQuestion }) => {
  port.postMessage({ id, answer: answerTo(question) });
  if (question.kind === 'close') port.close();
});

function answerTo(question: StoreQuestion): StoreAnswer {
  try {
    if (question.kind === 'close') {
      close();
      return { ok: true, usage: [], ...NOTHING };
    }
    open ??= opened();
    const { records } = open;
    return question.kind === 'exchange'
      ? { ok: true, usage: [], ...records.exchange(question, Math.round(uptime() * 1_000)) }
      : { ok: true, usage: records.usage(question.fromHour, question.key), ...NOTHING };
  } catch (error) {
    const failure = failureOf(error);
    // Somebody may put another file in its place.
    if (failure.trouble !== 'locked') close();
    return failure;
  }
}

function opened(): NonNullable<typeof open> {
  const db = openDatabase(file);
  return { records: new Records(db), close: () => db.close() };
}

function close(): void {
  const closing = open;
  open = null;
  try {
    closing?.close();
  } catch {
    // It is not usable anyway.
  }
}
