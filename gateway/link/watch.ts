import type { IncomingMessage } from 'node:http';
import { backOffMs } from '../core/back-off.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { SupervisorSnapshot } from './snapshot.ts';
import { controlRequest } from './control-path.ts';
import { readSnapshot } from './read-snapshot.ts';

// An import of it would load Node's own fetch as well, unused, in 40 ms of CPU time: as long as all the rest of a small program.
const { request: open } = process.getBuiltinModule('node:http');

interface SupervisorWatchOptions {
  readonly clock: Clock;
  /** The control path. */
  readonly control: string;
  /** The process for which it is followed. */
  readonly by: number;
  readonly onSnapshot: (snapshot: SupervisorSnapshot) => void;
  /** The connection is gone, or could not be made. Called once for each attempt. */
  readonly onAway: (reason: string) => void;
}

const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** The supervisor says something every 5 s. */
const SILENCE_MS = 15_000;
const RETRY = { firstMs: 100, longestMs: 2000 };

/** Follows the supervisor's `GET /v1/watch`, connecting again whenever it breaks off, makes no sense or falls silent. */
export function watchSupervisor({ clock, control, by, onSnapshot, onAway }: SupervisorWatchOptions): { close(): void } {
  let losses = 0;
  let retry: Timer | null = null;
  let hangUp: (() => void) | null = null;

  function connect(): void {
    const lines = createLineSplitter(MAX_LINE_BYTES);
    const request = open(controlRequest(control, 'GET', `/v1/watch?by=${by}`));
    let over = false;
    let silence = clock.after(SILENCE_MS, fallSilent);

    function fallSilent(): void {
      lose(`nothing was heard for ${SILENCE_MS / 1000} s`);
    }

    function end(): void {
      over = true;
      silence.cancel();
      hangUp = null;
      request.destroy();
    }

    function lose(reason: string): void {
      if (over) return;
      end();
      retry = clock.after(backOffMs(RETRY, losses), connect);
      losses += 1;
      onAway(reason);
    }

    function read(chunk: Buffer): void {
      if (over) return;
      silence.cancel();
      silence = clock.after(SILENCE_MS, fallSilent);
      let snapshots: SupervisorSnapshot[];
      try {
        snapshots = lines
          .push(chunk)
          .filter((line) => line !== '')
          .map(readSnapshot);
      } catch (error) {
        lose(`it sent nonsense: ${messageOf(error)}`);
        return;
      }
      const latest = snapshots.at(-1);
      if (!latest) return;
      losses = 0;
      onSnapshot(latest);
    }

    hangUp = end;
    request.on('response', (response: IncomingMessage) => {
      if (response.statusCode !== 200) {
        lose(`GET /v1/watch was answered with status ${response.statusCode}`);
        return;
      }
      response.on('data', read);
      response.on('end', () => lose('it ended the watch'));
      response.on('error', (error) => lose(messageOf(error)));
    });
    request.on('error', (error) => lose(messageOf(error)));
    request.on('close', () => lose('the connection was closed'));
    request.end();
  }

  connect();
  return {
    close() {
      retry?.cancel();
      hangUp?.();
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Cuts a stream of bytes into lines. */
export interface LineSplitter {
  /** @returns the lines that end in this chunk, without their newline. @throws when one grows beyond the limit */
  push(chunk: Buffer): string[];
}

const NEWLINE = 10;

export function createLineSplitter(maxLineBytes: number): LineSplitter {
  let parts: Buffer[] = [];
  let length = 0;

  function keep(part: Buffer): void {
    length += part.length;
    if (length > maxLineBytes) throw new Error(`A line is longer than ${maxLineBytes} bytes.`);
    if (part.length > 0) parts.push(part);
  }

  return {
    push(chunk) {
      const lines: string[] = [];
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
        keep(chunk.subarray(from, end));
        lines.push(Buffer.concat(parts).toString('utf8'));
        parts = [];
        length = 0;
        from = end + 1;
      }
      keep(chunk.subarray(from));
      return lines;
    },
  };
}
