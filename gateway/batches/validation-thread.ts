import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { LineCutter } from './line-cutter.ts';
import { Validation } from './validation.ts';
import type { ValidationAsked, ValidationTold } from './validation-words.ts';

// Two hundred megabytes of JSON take seconds to parse, in which no stream is to stand still.

const BLOCK_BYTES = 1_048_576;
/** Enough that asking for them costs little, and few enough to be written in some milliseconds. */
const ROWS_AT_ONCE = 1_000;

const asked = workerData as ValidationAsked;
const port = parentPort!;
const tell = (told: ValidationTold): void => port.postMessage(told);

try {
  const validation = new Validation({ ...asked, models: new Map(asked.models) });
  readAll(validation);
  const found = validation.found();
  tell({ kind: 'found', found });
  if (found.errors === null) {
    let rank = 0;
    port.on('message', () => {
      const rows = validation.rows(rank, ROWS_AT_ONCE);
      rank += rows.length;
      tell({ kind: 'rows', rows });
      if (rows.length === 0) port.close();
    });
  }
} catch (error) {
  tell({ kind: 'failed', code: (error as NodeJS.ErrnoException).code ?? null, message: (error as Error).message });
}

function readAll(validation: Validation): void {
  const cutter = new LineCutter(asked.mostLineBytes);
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  const file = openSync(asked.file, 'r');
  try {
    for (;;) {
      const bytes = readSync(file, block);
      if (bytes === 0) break;
      for (const line of cutter.cut(block.subarray(0, bytes))) if (!validation.take(line)) return;
    }
    for (const line of cutter.end()) validation.take(line);
  } finally {
    closeSync(file);
  }
}
