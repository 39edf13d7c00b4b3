import type { IncomingMessage } from 'node:http';
import type { Timer, Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { TOO_SLOW, watchPace } from './pace.ts';

/** What a client may still send of a body that was refused, so that it gets to read the answer. */
const DISCARD_BYTES = 67_108_864;

/** A body that says itself that it is too large is not read. @throws request_too_large */
export function checkDeclaredLength(incoming: IncomingMessage, maxBytes: number): void {
  const header = incoming.headers['content-length'];
  if (header !== undefined && Number(header) > maxBytes) throw tooLarge(maxBytes);
}

/**
 * The whole body. How long it may take in all is the server's requestTimeout; a large one must keep moving besides.
 * @param onLength told how many bytes there are so far; what it throws refuses the request
 * @throws request_too_large · truncated_body · request_timeout
 */
export function readBody(
  incoming: IncomingMessage,
  maxBytes: number,
  clock: Clock,
  onLength: (bytes: number) => void = () => {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const body = new GrowingBytes();
    let pace: Timer | null = null;
    let isOver = false;
    incoming.on('data', onData);
    incoming.on('end', onEnd);
    incoming.on('close', onCut);
    incoming.on('error', onError);

    function onData(piece: Buffer): void {
      try {
        if (body.length + piece.length > maxBytes) throw tooLarge(maxBytes);
        onLength(body.length + piece.length);
        body.add(piece);
        if (pace === null && body.length > SMALL_BYTES) pace = watchPace(clock, () => body.length, onTooSlow);
      } catch (error) {
        fail(error as Error);
      }
    }
    /**
     * Its listeners stay, since nothing comes of a request that has been read, and to take them away costs as much as to read it. But for
     * one: who has it says that a body is being read.
     */
    function onEnd(): void {
      if (isOver) return;
      isOver = true;
      pace?.cancel();
      incoming.off('error', onError);
      resolve(body.bytes());
    }
    function onTooSlow(): void {
      fail(new GatewayError('request_timeout', TOO_SLOW, { close: true }));
    }
    /** The server found that what follows is no body: it says so, and the request is refused once, by whoever reads it. */
    function onError(error: Error): void {
      if (error instanceof GatewayError) fail(error);
      else onCut();
    }
    function onCut(): void {
      if (!isOver) fail(new GatewayError('truncated_body', 'The request body ended before it was complete.', { close: true }));
    }
    function fail(error: Error): void {
      if (isOver) return;
      isOver = true;
      pace?.cancel();
      incoming.off('data', onData);
      incoming.off('end', onEnd);
      incoming.off('close', onCut);
      incoming.off('error', onError);
      reject(error);
    }
  });
}

/** Reads and forgets what is left of a refused body, up to a limit, after which the connection is cut. */
export function discardBody(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed) return;
  let bytes = 0;
  incoming.on('error', () => {});
  incoming.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > DISCARD_BYTES) incoming.destroy();
  });
  incoming.resume();
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('request_too_large', `The request body is larger than ${maxBytes} bytes.`);
}

const FIRST_BYTES = 4_096;
/** Unused room that is not worth a copy. */
const SPARE_BYTES = 65_536;

/**
 * Gathers a body from pieces at a cost in proportion to its bytes. A list of the pieces would cost some hundred bytes for each, and a
 * client may send a piece a byte; what it declares as the length is no reason to set that much aside either.
 */
export class GrowingBytes {
  #buffer: Buffer | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (this.#buffer === null) this.#buffer = piece;
    else {
      if (length > this.#buffer.length) {
        // Not from Node's shared pool, which a slice would keep alive.
        const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * length));
        this.#buffer.copy(larger, 0, 0, this.#length);
        this.#buffer = larger;
      }
      piece.copy(this.#buffer, this.#length);
    }
    this.#length = length;
  }

  /** All of it so far; nothing may be added afterwards. A single piece is handed out as it came, without a copy. */
  bytes(): Buffer {
    const buffer = this.#buffer;
    if (buffer === null) return Buffer.alloc(0);
    const used = buffer.subarray(0, this.#length);
    return buffer.length - this.#length > SPARE_BYTES ? Buffer.from(used) : used;
  }
}

/** Whole bodies of the largest allowed size that may be in memory together: 512 MiB with the default limit of 32 MiB each. */
const LARGEST_BODIES = 16;

/**
 * How many bytes of large request bodies are being read or waiting in queues, so that many together are refused instead of filling the
 * memory. What has arrived counts, not what a client announces: otherwise a few that announce much and send nothing would shut all others out.
 */
export class BodyMemory {
  readonly #maxBodyBytes: () => number;
  readonly #largest: number;
  #held = 0;

  /** @param processes that share the memory of the machine: each has its part of it, and room for one body at least */
  constructor(maxBodyBytes: () => number, processes = 1) {
    this.#maxBodyBytes = maxBodyBytes;
    this.#largest = Math.max(1, LARGEST_BODIES / processes);
  }

  get heldBytes(): number {
    return this.#held;
  }

  /** Room for one request's body; none is taken yet. */
  open(): BodyRoom {
    return new BodyRoom((change) => {
      if (change > 0 && this.#held + change > this.#largest * this.#maxBodyBytes()) {
        throw new GatewayError('queue_full', 'Too many large requests are being handled at once. Retry shortly.');
      }
      this.#held += change;
    });
  }
}

/** Bodies up to this size are not counted: however many wait, the queue's own bound is enough. */
const SMALL_BYTES = 65_536;

/** One request's share. Releasing it twice does nothing. */
export class BodyRoom {
  readonly #change: (bytes: number) => void;
  #bytes = 0;

  constructor(change: (bytes: number) => void) {
    this.#change = change;
  }

  /** Sets how much is held now. @throws queue_full when that is more than there is room for */
  resize(bytes: number): void {
    const counted = bytes > SMALL_BYTES ? bytes : 0;
    if (counted === this.#bytes) return;
    this.#change(counted - this.#bytes);
    this.#bytes = counted;
  }

  release(): void {
    this.resize(0);
  }
}
