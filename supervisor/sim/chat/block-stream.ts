import type { Choice } from '../engine/choice.ts';
import type { RequestFailure } from '../engine/job.ts';
import type { Segment } from '../text/prose.ts';
import { joined } from './chat-stream.ts';
import type { EventStream } from '../request/event-stream.ts';
import type { Exchange } from '../request/exchange.ts';
import { submit } from '../request/job.ts';

/** The kinds of block that an answer is made of. */
type BlockKind = 'text' | 'reasoning' | 'call';

export interface Block {
  readonly kind: BlockKind;
  readonly index: number;
  /** Name of the function for a call. */
  readonly name: string;
  /** What was said in it so far. */
  text: string;
}

/** What a protocol writes when the answer moves on. */
interface BlockWriter {
  begin(): void;
  open(block: Block): void;
  delta(block: Block, text: string): void;
  close(block: Block): void;
  end(choice: Choice): void;
  fail(failure: RequestFailure): void;
}

function kindOf(segment: Segment): BlockKind | null {
  if (segment.part === 'content') return 'text';
  if (segment.part === 'reasoning') return 'reasoning';
  return segment.part === 'hidden' ? null : 'call';
}

/** Streams one choice as blocks that open, grow and close: the way of the Responses and of the Messages API, which end without `[DONE]`. */
export function streamBlocks(exchange: Exchange, choice: Choice, stream: EventStream, writer: BlockWriter): void {
  let block: Block | null = null;
  let blocks = 0;
  let over = false;

  function enter(kind: BlockKind, segment: Segment): Block {
    if (block !== null && block.kind === kind && segment.part !== 'tool-name') return block;
    if (block !== null) writer.close(block);
    block = { kind, index: blocks++, name: segment.text, text: '' };
    writer.open(block);
    return block;
  }

  function write(): void {
    if (over || stream.blocked) return;
    const segments = joined(choice.pending);
    choice.pending = [];
    choice.pendingTokens = [];
    for (const segment of segments) {
      const kind = kindOf(segment);
      if (kind === null) continue;
      const current = enter(kind, segment);
      if (segment.part === 'tool-name' || segment.text === '') continue;
      current.text += segment.text;
      writer.delta(current, segment.text);
    }
    if (choice.finishReason === null) return stream.flush();
    over = true;
    if (block !== null) writer.close(block);
    writer.end(choice);
    stream.end();
  }

  writer.begin();
  stream.flush();
  stream.onDrain = write;
  submit(exchange, [choice], {
    onOutput: write,
    onFailure: (failure) => {
      if (over) return;
      over = true;
      writer.fail(failure);
      stream.end();
    },
  });
}
