import { parentPort, workerData } from 'node:worker_threads';
import { LineCutter } from './line-cutter.ts';
import { Validation } from './validation.ts';
import type { ValidationAsked, ValidationHeard, ValidationTold } from './validation-words.ts';

// Two hundred megabytes of JSON take seconds to parse, in which no stream is to stand still.

/** Enough that asking for them costs little, and few enough to be written in some milliseconds. */
const ROWS_AT_ONCE = 1_000;

const asked = workerData as ValidationAsked;
const port = parentPort!;
const tell = (told: ValidationTold, given: ArrayBuffer[] = []): void => port.postMessage(told, given);

const validation = new Validation({ ...asked, models: new Map(asked.models) });
const cutter = new LineCutter(asked.mostLineBytes);
let rank = 0;

port.on('message', (heard: ValidationHeard) => {
  if (heard.kind === 'more') tellRows();
  else if (takes(heard.block)) tell({ kind: 'reads', used: heard.block }, heard.block === null ? [] : [heard.block.buffer as ArrayBuffer]);
  else tellFound();
});
tell({ kind: 'reads', used: null });

/** @returns whether what comes after it can matter */
function takes(block: Uint8Array | null): boolean {
  if (block === null) for (const line of cutter.end()) validation.take(line);
  else for (const line of cutter.cut(Buffer.from(block.buffer, block.byteOffset, block.length))) if (!validation.take(line)) return false;
  return block !== null;
}

function tellFound(): void {
  const found = validation.found();
  tell({ kind: 'found', found });
  if (found.errors !== null) port.close();
}

function tellRows(): void {
  const rows = validation.rows(rank, ROWS_AT_ONCE);
  rank += rows.length;
  tell({ kind: 'rows', rows });
  if (rows.length === 0) port.close();
}
