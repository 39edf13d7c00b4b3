import { statSync } from 'node:fs';
import { uptime } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from './database.ts';
import { type DeskCall, openDesks, type OpenDesks } from './desks.ts';
import { Records } from './records.ts';
import { failureOf } from './trouble.ts';
import { StoreFailed } from '../store-failed.ts';
import type { StoreAnswer, StoreFailure, StoreQuestion } from '../words.ts';

// The program of the thread that has the database. A disk that stands still, or a file that somebody keeps, holds up no stream here.

const { file } = workerData as { readonly file: string };
const port = parentPort!;
const NOTHING = { grants: [], database: '', spent: null, processes: null };
// In older versions of Node the module says at every start that it is an experiment.
process.removeAllListeners('warning');

let open: { readonly records: Records; readonly desks: OpenDesks; readonly inode: number; readonly close: () => void } | null = null;

type Message = { readonly id: number } & ({ readonly question: StoreQuestion } | { readonly call: DeskCall });

port.on('message', (message: Message) => {
  if ('call' in message) {
    port.postMessage({ id: message.id, answer: answerToCall(message.call) });
    if (message.call.method === 'holdOn') sweep();
    return;
  }
  port.postMessage({ id: message.id, answer: answerTo(message.question) });
  if (message.question.kind === 'close') port.close();
});

function answerToCall(call: DeskCall): { readonly ok: true; readonly value: unknown } | StoreFailure {
  try {
    checkPlace();
    open ??= opened();
    return { ok: true, value: open.desks.answer(call) };
  } catch (error) {
    return failed(error);
  }
}

/** Little by little, with what is asked in between. */
function sweep(): void {
  if (open === null) return;
  try {
    if (open.desks.sweep()) setImmediate(sweep);
  } catch {
    // There is time.
  }
}

function answerTo(question: StoreQuestion): StoreAnswer {
  try {
    if (question.kind === 'close') {
      close();
      return { ok: true, usage: [], ...NOTHING };
    }
    checkPlace();
    open ??= opened();
    const { records } = open;
    return question.kind === 'exchange'
      ? { ok: true, usage: [], ...records.exchange(question, Math.round(uptime() * 1_000)) }
      : { ok: true, usage: records.usage(question.fromHour, question.key), ...NOTHING };
  } catch (error) {
    return failed(error);
  }
}

/** SQLite goes on with a file that has been removed, or replaced by another, and all that it writes there is lost. @throws StoreFailed */
function checkPlace(): void {
  if (open === null || inodeOf() === open.inode) return;
  close();
  throw new StoreFailed('removed', 'it was removed, or replaced by another, while it was in use');
}

function inodeOf(): number | null {
  return statSync(file, { throwIfNoEntry: false })?.ino ?? null;
}

function failed(error: unknown): StoreFailure {
  const failure: StoreFailure =
    error instanceof StoreFailed ? { ok: false, trouble: error.trouble, message: error.message } : failureOf(error);
  // Somebody may put another file in its place.
  if (failure.trouble !== 'locked') close();
  return failure;
}

function opened(): NonNullable<typeof open> {
  const db = openDatabase(file);
  const desks = openDesks(db, () => Math.round(uptime() * 1_000));
  return { records: new Records(db), desks, inode: inodeOf() ?? 0, close: () => db.close() };
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
