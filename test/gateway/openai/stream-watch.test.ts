import { describe, expect, test } from 'vitest';
import { lookAt, readEvent } from '../../../gateway/openai/stream-watch.ts';
import { event } from '../../support/fake-vllm.ts';
import { batchOf } from './frames.ts';
import { absent, present, recordings } from './recordings.ts';

const look = (...payloads: string[]) => lookAt(batchOf(payloads.map((payload) => Buffer.from(payload))), true);

describe('a look at a read', () => {
  test.each<[string, string[]]>([
    ['text', [event('a'), event('b')]],
    ['a comment', [': ping\n\n']],
    ['an event with a name', ['event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n']],
    ['the beginning of a message', ['event: message_start\ndata: {"type":"message_start"}\n\n']],
    [
      'a piece of a response',
      ['event: response.output_text.delta\ndata: {}\n\n', 'event: response.function_call_arguments.delta\ndata: {}\n\n'],
    ],
    ['usage', ['data: {"id":"x","choices":[],"usage":{"prompt_tokens":1}}\n\n']],
    ['text that speaks of errors', [event('data: {"error"'), event('\n\nevent: error'), event('"finish_reason":"abort"')]],
    ['nothing', []],
  ])('%s is plain', (_name, payloads) => {
    expect(look(...payloads)).toBe('plain');
  });

  test.each<[string, string[]]>([
    ['[DONE]', ['data: [DONE]\n\n']],
    ['an error', ['data: {"error": {"message": "x"}}\n\n']],
    ["Anthropic's error", ['event: error\ndata: {"type":"error","error":{}}\n\n']],
    ['a finish reason', [event('a', 'stop')]],
    ['the end of a message', ['event: message_stop\ndata: {"type":"message_stop"}\n\n']],
    ['the end of a response', ['event: response.completed\ndata: {}\n\n']],
    ['a response that failed', ['event: response.failed\ndata: {}\n\n']],
    ['half an event', ['data: {"id":"x"']],
    ['an event that ends with one line feed', ['data: {"id":"x"}\n']],
    ['a chunk of a byte', ['\n']],
    ['several events in one chunk', [event('a') + event('b')]],
    ['[DONE] behind text, in the same chunk', [`${event('a')}data: [DONE]\n\n`]],
    ['an error behind text, in the same chunk', [`${event('a')}data: {"error": {}}\n\n`]],
    ['an error behind text, in another chunk', [event('a'), event('b'), 'data: {"error": {}}\n\n']],
    ["Anthropic's error behind text, in the same chunk", [`event: x\ndata: {}\n\nevent: error\ndata: {"type":"error"}\n\n`]],
  ])('%s is not', (_name, payloads) => {
    expect(look(...payloads)).toBe('special');
  });
});

describe('an event', () => {
  test.each([
    ['text', event('hello'), { kind: 'text' }],
    ['[DONE]', 'data: [DONE]\n\n', { kind: 'done' }],
    ['a finish', event('', 'stop'), { kind: 'finish', reason: 'stop', choices: 1 }],
    ['the end of a message', 'event: message_stop\ndata: {"type":"message_stop"}\n\n', { kind: 'final' }],
    ['the end of a response', 'event: response.incomplete\ndata: {}\n\n', { kind: 'final' }],
    ['a finish by tools', event('', 'tool_calls'), { kind: 'finish', reason: 'tool_calls', choices: 1 }],
    ['an engine that gave up', event('', 'abort'), { kind: 'aborted' }],
    [
      'an error',
      'data: {"error": {"message": "boom", "code": 500}}\n\n',
      { kind: 'error', status: 500, body: '{"error": {"message": "boom", "code": 500}}' },
    ],
    [
      'an error without a code',
      'data: {"error":{"message":"boom"}}\n\n',
      { kind: 'error', status: null, body: '{"error":{"message":"boom"}}' },
    ],
    [
      "Anthropic's error",
      'event: error\ndata: {"type":"error","error":{"message":"boom"}}\n\n',
      { kind: 'error', status: null, body: '{"type":"error","error":{"message":"boom"}}' },
    ],
    ['an error that cannot be read', 'data: {"error": {"message": \n\n', { kind: 'error', status: null, body: '{"error": {"message": ' }],
    ['an error without words', 'data: {"error": 1}\n\n', { kind: 'error', status: null, body: '{"error": 1}' }],
    [
      'an error whose code is no status',
      'data: {"error": {"code": 7}}\n\n',
      { kind: 'error', status: null, body: '{"error": {"code": 7}}' },
    ],
    ['text that looks like an end', event('data: [DONE]\n\n"finish_reason":"abort"'), { kind: 'text' }],
    [
      "a message's reason to stop",
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null}}\n\n',
      { kind: 'text' },
    ],
    [
      'a message that was given up',
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":null,"stop_sequence":null}}\n\n',
      { kind: 'aborted' },
    ],
    [
      'the beginning of a message',
      'event: message_start\ndata: {"type":"message_start","message":{"stop_reason":null}}\n\n',
      { kind: 'text' },
    ],
    [
      'an error whose keys are in another order',
      'event: error\ndata: {"code":500,"type":"error","message":"boom"}\n\n',
      { kind: 'error', status: 500, body: '{"code":500,"type":"error","message":"boom"}' },
    ],
    ['[DONE] with other ends of lines', 'data: [DONE]\r\n\r\n', { kind: 'done' }],
    [
      'an error with other ends of lines',
      ': hello\r\rdata: {"error":{"code":400}}\r\r',
      { kind: 'error', status: 400, body: '{"error":{"code":400}}' },
    ],
    ['a comment', ': keep-alive\n\n', { kind: 'text' }],
  ])('%s', (_name, text, seen) => {
    expect(readEvent(text, true)).toEqual(seen);
  });

  test('of an answer without choices has no finish reason, whatever a client has echoed in it', () => {
    const echoed = 'event: response.output_item.added\ndata: {"response":{"metadata":{"finish_reason":"abort"}}}\n\n';
    expect(readEvent(echoed, false)).toEqual({ kind: 'text' });
    expect(lookAt(batchOf([Buffer.from(echoed)]), false)).toBe('plain');
  });

  test('in which vLLM wraps the error of a message has the status that is left of it', () => {
    const wrapped = `event: error\ndata: {"type":"error","error":{"type":"internal_error","message":"2 validation errors\\n input_value={'error': {'message': 'Gr...am': None, 'code': 400}}, input_type=dict"}}\n\n`;
    const seen = readEvent(wrapped, false);
    expect(seen).toMatchObject({ kind: 'error', status: 400 });
    expect(JSON.stringify(seen)).not.toContain('validation errors');
  });
});

describe.skipIf(!present)(`recorded streams${absent}`, () => {
  const ends: Record<string, string> = {
    'chat-stream-abort.http': 'aborted',
    'chat-stream-midstream-error.http': 'error',
    'engine-dead-inflight-stream.http': 'error',
  };

  test.each(recordings(/stream/).filter(({ contentType }) => contentType.startsWith('text/event-stream')))('$name', ({ name, body }) => {
    const events = body.toString().split(/(?<=\n\n)/);
    const kinds = events.map((each) => readEvent(each, true).kind);
    const stop = kinds.findIndex((kind) => kind === 'error' || kind === 'aborted' || kind === 'done');
    expect(kinds[stop]).toBe(ends[name] ?? 'done');
    // An end is never overlooked, and text is never held up for nothing.
    events.forEach((each, index) => {
      expect(look(each)).toBe(kinds[index] === 'text' ? 'plain' : 'special');
    });
  });
});
