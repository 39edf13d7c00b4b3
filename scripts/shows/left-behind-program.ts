import { createInterface } from 'node:readline';
import { clear, type Leaving } from './left-behind.ts';

// Hears on standard input which folders whoever started it has made and cleared away; its end is the end of that one, kill -9 included.

const leavings = new Map<string, Leaving>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { what, leaving } = JSON.parse(line) as { readonly what: 'add' | 'done'; readonly leaving: Leaving };
    if (what === 'add') leavings.set(leaving.folder, leaving);
    else leavings.delete(leaving.folder);
  } catch {
    // Killed in the middle of a line.
  }
}
for (const leaving of [...leavings.values()].reverse()) {
  try {
    clear(leaving);
  } catch {
    // Others are still to be cleared away.
  }
}
