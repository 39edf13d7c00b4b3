import { type Block, streamBlocks } from '../chat/block-stream.ts';
import { hexId } from '../request/exchange.ts';
import type { JsonObject } from '../request/fields.ts';
import { failureText } from '../request/job.ts';
import { callItem, messageItem, reasoningItem, responseObject, statusOf, type Told } from './response-object.ts';

/** Writes a response as it comes. The keys of every event are in the order of the alphabet, as in vLLM. */
export function streamResponse(told: Told): void {
  const stream = told.exchange.stream();
  const output: object[] = [];
  let sequence = 0;
  let itemId = '';

  function event(type: string, fields: JsonObject): void {
    const entries = Object.entries({ ...fields, sequence_number: sequence++, type });
    const sorted = Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
    stream.event(`event: ${type}\ndata: ${JSON.stringify(sorted)}\n\n`);
  }

  function itemOf(block: Block, status: 'in_progress' | 'completed'): object {
    if (block.kind === 'reasoning') return reasoningItem(itemId, block.text, status);
    if (block.kind === 'call') return callItem(itemId, block.name, block.text, status);
    return status === 'completed'
      ? messageItem(itemId, block.text, status)
      : { id: itemId, content: [], role: 'assistant', status, type: 'message', phase: null };
  }

  function partOf(block: Block, logprobs: [] | null): object {
    return block.kind === 'reasoning'
      ? { text: block.text, type: 'reasoning_text' }
      : { annotations: [], text: block.text, type: 'output_text', logprobs };
  }

  const prefix = { text: 'msg', reasoning: 'rs', call: 'fc' } as const;
  const where = (block: Block): JsonObject => ({ content_index: 0, item_id: itemId, output_index: block.index });
  const textEvent = { text: 'output_text', reasoning: 'reasoning_text' } as const;

  streamBlocks(told.exchange, told.choice, stream, {
    begin: () => {
      event('response.created', { response: responseObject(told, 'in_progress', []) });
      event('response.in_progress', { response: responseObject(told, 'in_progress', []) });
    },
    open: (block) => {
      itemId = `${prefix[block.kind]}_${hexId()}`;
      event('response.output_item.added', { item: itemOf(block, 'in_progress'), output_index: block.index });
      if (block.kind !== 'call') event('response.content_part.added', { ...where(block), part: partOf(block, []) });
    },
    delta: (block, text) => {
      if (block.kind === 'call')
        event('response.function_call_arguments.delta', { delta: text, item_id: itemId, output_index: block.index });
      else
        event(`response.${textEvent[block.kind]}.delta`, {
          ...where(block),
          delta: text,
          ...(block.kind === 'text' ? { logprobs: [] } : {}),
        });
    },
    close: (block) => {
      if (block.kind === 'call') {
        event('response.function_call_arguments.done', {
          arguments: block.text,
          item_id: itemId,
          name: block.name,
          output_index: block.index,
        });
      } else {
        event(`response.${textEvent[block.kind]}.done`, {
          ...where(block),
          text: block.text,
          ...(block.kind === 'text' ? { logprobs: [] } : {}),
        });
        event('response.content_part.done', { ...where(block), part: partOf(block, null) });
      }
      const item = itemOf(block, 'completed');
      output.push(item);
      event('response.output_item.done', { item, output_index: block.index });
    },
    end: (choice) => event('response.completed', { response: responseObject(told, statusOf(choice), output) }),
    fail: (failure) => event('error', { code: '500', message: failureText(failure), param: null }),
  });
}
