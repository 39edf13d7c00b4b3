import { setTimeout as sleep } from 'node:timers/promises';

const MIB = 2 ** 20;
const CHUNK_BYTES = 64 * 1024;

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}

/** Lines of a log that goes on and on; every one differs from the last. */
function lines(from: number): { readonly text: string; readonly next: number } {
  let text = '';
  let number = from;
  while (text.length < CHUNK_BYTES) {
    text += `(EngineCore pid=${process.pid}) INFO 01-01 00:00:00 [sim.py:2] line ${number++} of a log that nobody asked for, ${'lorem ipsum dolor sit amet '.repeat(number % 5)}\n`;
  }
  return { text, next: number };
}

/** A bar that is drawn again and again without a line's end. */
function bars(from: number): string {
  let text = '';
  for (let at = 0; text.length < CHUNK_BYTES; at++)
    text += `\r(EngineCore pid=${process.pid}) Processed prompts: ${(from + at) % 100}%|#####     | ${from + at}/1000000 [00:00<00:00, 123.45it/s]`;
  return text;
}

/** Prints `mib` MiB, three parts on stdout and one on stderr, spread over `seconds`; as fast as they are read for 0. */
export async function flood(mib: number, seconds: number): Promise<void> {
  const begin = performance.now();
  let written = 0;
  let number = 0;
  for (let chunk = 0; written < mib * MIB; chunk++) {
    const due = begin + (seconds * 1000 * written) / (mib * MIB);
    if (performance.now() < due) await sleep(due - performance.now());
    if (chunk % 4 === 3) {
      await write(process.stderr, `${bars(number)}\n`);
    } else {
      const { text, next } = lines(number);
      await write(process.stdout, text);
      number = next;
    }
    written += CHUNK_BYTES;
  }
  await write(process.stdout, `(EngineCore pid=${process.pid}) INFO 01-01 00:00:00 [sim.py:3] ${mib} MiB of log have been printed\n`);
}
