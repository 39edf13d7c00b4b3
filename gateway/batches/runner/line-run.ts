import { type Call, makeCall } from '../../core/call.ts';
import { collect } from '../../core/collect.ts';
import { GatewayError } from '../../core/errors.ts';
import { jsonCallBody } from '../../openai/call-body.ts';
import { errorReplyParts } from '../../openai/error-reply.ts';
import type { BatchWork, Line } from './batch-work.ts';
import { requestLine } from '../journals/request-line.ts';
import type { RunnerParts } from './runner-parts.ts';
import type { Answered } from '../output-line.ts';
import { type Sorted, sorted, sortedError } from './sorting.ts';

/** A longer answer is none. */
const MOST_ANSWER_BYTES = 67_108_864;

/** The input file could not be read. */
export class UnreadableInput extends Error {
  override readonly name = 'UnreadableInput';
}

/** One try of one line, from its bytes to what comes of it. */
export class LineRun {
  readonly work: BatchWork;
  readonly line: Line;
  /** The name of its call, and of its line in the file. */
  readonly id: string;
  readonly startedAt: number;
  /** In JSON; '' until the line has been read. */
  customId = '';
  /** null until it has one. */
  call: Call | null = null;
  /** Somebody else is to have its place: what comes of it is not heard. */
  isTakenBack = false;
  readonly #parts: RunnerParts;

  constructor(parts: RunnerParts, work: BatchWork, line: Line) {
    this.#parts = parts;
    this.work = work;
    this.line = line;
    this.id = parts.newId();
    this.startedAt = parts.clock.now();
  }

  /** It holds a place at the workers. */
  get hasPlace(): boolean {
    const place = this.call?.place ?? null;
    return place !== null && !place.released;
  }

  /** Ends it, at once; the line is as good as before. */
  takeBack(): void {
    this.isTakenBack = true;
    this.call?.cancellation.cancel(new GatewayError('client_disconnected', 'The line was taken back, and runs again later.'));
  }

  /** @throws UnreadableInput */
  async outcome(): Promise<Sorted> {
    const { clock, directory, handler, trace, wantsPrefix } = this.#parts;
    const { work, line } = this;
    const request = requestLine(await this.#bytes());
    if (request === null) throw new UnreadableInput('it is not what was validated');
    const { customId, body } = request;
    this.customId = customId;
    let read;
    try {
      read = jsonCallBody(directory, work.principal, work.route, body, wantsPrefix());
      if (read.seen.stream) throw new GatewayError('invalid_value', 'Streaming is not supported in batches.', { param: 'stream' });
    } catch (thrown) {
      return this.#refused(thrown);
    }
    if (this.isTakenBack) return { kind: 'taken back' };
    const { model, body: sent, seen } = read;
    line.model = model.id;
    const call = makeCall({
      ...{ id: this.id, route: work.route, body: sent, peek: seen, model: model.id, principal: work.principal },
      ...{ priority: 'batch', isLine: true, arrivedAt: clock.now(), trace: trace ? trace(work.row.id) : null },
    });
    this.call = call;
    try {
      return sorted(await collect(call, await handler()(call), MOST_ANSWER_BYTES), this.isTakenBack);
    } catch (thrown) {
      // The policies answer their own errors.
      return this.#refused(thrown);
    }
  }

  async #bytes(): Promise<Buffer> {
    const { offset, length } = this.line.row;
    try {
      return await this.work.input.line(offset, length);
    } catch (error) {
      throw new UnreadableInput((error as Error).message);
    }
  }

  #refused(thrown: unknown): Sorted {
    const error =
      thrown instanceof GatewayError
        ? thrown
        : new GatewayError('internal', 'The gateway failed to handle the request.', { cause: thrown });
    const { status, body } = errorReplyParts(error, this.work.route.dialect, this.#parts.random);
    const answer: Answered = { status, bytes: Buffer.from(body) };
    return sortedError(error, answer);
  }
}
