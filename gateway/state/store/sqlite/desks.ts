import type { DatabaseSync } from 'node:sqlite';
import { type BatchesDesk, batchesDesk, type BatchQuestions } from './batches-desk.ts';
import { FilesDesk } from './files-desk.ts';
import type { FileRecords } from '../ports.ts';
import { Sql } from './sql.ts';

/** The ports that are answered by the thread: each of their methods is one message, and one answer. */
export interface Desks {
  readonly files: FileRecords;
  readonly batches: BatchQuestions;
}

export type DeskMethod<Desk extends keyof Desks> = keyof Desks[Desk] & string;
type Method<Desk extends keyof Desks, Name extends DeskMethod<Desk>> = Desks[Desk][Name] extends (
  ...args: infer Args
) => Promise<infer Answer>
  ? { readonly args: Args; readonly answer: Answer }
  : never;
export type ArgsOf<Desk extends keyof Desks, Name extends DeskMethod<Desk>> = Method<Desk, Name>['args'];
export type AnswerOf<Desk extends keyof Desks, Name extends DeskMethod<Desk>> = Method<Desk, Name>['answer'];

/** A method that is called from another thread. */
export interface DeskCall {
  readonly desk: keyof Desks;
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface OpenDesks {
  /** @throws what SQLite says */
  answer(call: DeskCall): unknown;
  readonly sweep: BatchesDesk['sweep'];
}

/** All that is asked of files and batches. @param uptime ms since the machine was started */
export function openDesks(db: DatabaseSync, uptime: () => number): OpenDesks {
  const sql = new Sql(db);
  const batches = batchesDesk(sql, uptime);
  const desks = { files: new FilesDesk(sql), batches };
  return {
    answer({ desk, method, args }) {
      // Sent by `Store.call`, whose types hold the two together.
      const answering = desks[desk] as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
      return answering[method]!(...args);
    },
    sweep: () => batches.sweep(),
  };
}
