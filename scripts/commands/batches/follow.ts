import { hash } from 'node:crypto';
import { Writable } from 'node:stream';
import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import { hasEnded } from '../../../gateway/batches/life.ts';
import { type BatchContext, note } from './context.ts';
import { ask, refusal } from './download.ts';
import { type NotTold, notThere, type StoredApi, type Told } from './stored-api.ts';

const LOOK_MS = 1_000;
const NOT_FOUND = 404;
/** An answer of a model, and what stands around it. */
const MOST_BYTES = 134_217_728;
const LINE_FEED = 0x0a;

/** Writes lines to an output, each once, whatever it is given twice. */
export class EachOnce {
  readonly #to: Writable;
  readonly #seen = new Set<string>();
  #begun: Buffer[] = [];

  constructor(to: Writable) {
    this.#to = to;
  }

  get isEmpty(): boolean {
    return this.#seen.size === 0;
  }

  /** @param bytes whole lines, or pieces of them: what does not end is kept for the next @throws what the output says */
  async write(bytes: Buffer): Promise<void> {
    const fresh: Buffer[] = [];
    let from = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
      const rest = bytes.subarray(from, end + 1);
      const line = this.#begun.length === 0 ? rest : Buffer.concat([...this.#begun, rest]);
      this.#begun = [];
      from = end + 1;
      const mark = hash('sha256', line, 'base64');
      if (this.#seen.has(mark)) continue;
      this.#seen.add(mark);
      fresh.push(line);
    }
    if (from < bytes.length) this.#begun.push(Buffer.from(bytes.subarray(from)));
    if (fresh.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#to.write(Buffer.concat(fresh), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The same as something to be written to. */
  stream(): Writable {
    return new Writable({
      write: (piece: Buffer, _, done) => {
        this.write(piece).then(() => done(), done);
      },
    });
  }
}

interface Part {
  readonly bytes: Buffer;
  readonly next: string;
  readonly status: string;
}

/**
 * Writes what a batch that runs has written, as it comes, until it has ended: the rest is in its file then. Waits for a gateway that is away.
 * @returns null: it has ended, or the gateway cannot say what was written so far @throws what the output says
 */
export async function follow(context: BatchContext, api: StoredApi, id: string, errors: boolean, lines: EachOnce): Promise<NotTold | null> {
  let [after, isAway] = ['', false];
  for (;;) {
    const told = await partOf(api, id, errors, after);
    if (told.kind === 'told') {
      isAway = false;
      const { bytes, next, status } = told.body;
      await lines.write(bytes);
      after = next;
      if (bytes.length > 0) continue;
      if (hasEnded(status as BatchObject['status'])) return null;
    } else if (told.status === NOT_FOUND) return null;
    else if (!told.isAway) return told;
    else if (!isAway) {
      isAway = true;
      note(context, `${told.message} Waiting for it.`);
    }
    await context.pause(LOOK_MS);
  }
}

async function partOf(api: StoredApi, id: string, errors: boolean, after: string): Promise<Told<Part>> {
  try {
    const response = await ask(
      api,
      `/v1/batches/${encodeURIComponent(id)}/output?${new URLSearchParams({ after, errors: String(errors) })}`,
    );
    if (response.statusCode !== 200) return await refusal(api, response);
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of response as AsyncIterable<Buffer>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > MOST_BYTES) throw new Error('its answer is too long');
    }
    const head = (name: string): string => String(response.headers[name] ?? '');
    return { kind: 'told', body: { bytes: Buffer.concat(pieces), next: head('x-headgate-next'), status: head('x-headgate-batch-status') } };
  } catch (error) {
    return notThere(api, error);
  }
}
