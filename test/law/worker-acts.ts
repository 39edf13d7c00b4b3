import type { Call } from '../../gateway/core/call.ts';
import { completion, DONE_EVENT, ERROR_EVENT, type FakeExchange, finishEvent, tokenEvent } from '../support/fake-worker.ts';
import type { WorkerAction } from './call-happenings.ts';

const JSON_TYPE = 'application/json';
/** More than the relay looks at whole. */
const BIG_CHARS = 1_100_000;

/** Has a worker do something with an exchange, as far as it can be done at this point of it. */
export function act(exchange: FakeExchange, call: Call, action: WorkerAction): void {
  switch (action) {
    case 'sent':
      send(exchange);
      return;
    case 'head':
      begin(exchange, call);
      return;
    case 'token':
      begin(exchange, call);
      if (call.peek.stream) exchange.frames(tokenEvent());
      return;
    case 'tokens':
      begin(exchange, call);
      if (call.peek.stream) exchange.frames(tokenEvent(), tokenEvent(), tokenEvent());
      return;
    case 'split token': {
      begin(exchange, call);
      const event = tokenEvent();
      if (call.peek.stream) exchange.frames(tokenEvent(), event.slice(0, 30)).frames(event.slice(30));
      return;
    }
    case 'finish':
      begin(exchange, call);
      if (call.peek.stream) exchange.frames(finishEvent());
      return;
    case 'done':
      begin(exchange, call);
      if (call.peek.stream) exchange.frames(finishEvent(), DONE_EVENT);
      return;
    case 'done and end':
      begin(exchange, call);
      if (call.peek.stream) exchange.lastFrames(tokenEvent(), finishEvent(), DONE_EVENT);
      return;
    case 'end':
      if (exchange.headed) exchange.end();
      return;
    case 'answer':
      if (!call.peek.stream) answer(exchange, completion());
      return;
    case 'big answer':
      if (call.peek.stream) return;
      begin(exchange, call);
      exchange.data(`{"text":"${'x'.repeat(BIG_CHARS)}`).data('"}');
      return;
    case 'abort finish':
      if (!call.peek.stream) return answer(exchange, completion('abort'));
      begin(exchange, call);
      exchange.lastFrames(finishEvent('abort'), DONE_EVENT);
      return;
    case 'error event':
      begin(exchange, call);
      if (call.peek.stream) exchange.lastFrames(ERROR_EVENT, DONE_EVENT);
      return;
    case 'status 400':
    case 'status 429':
    case 'status 500':
      if (exchange.headed) return;
      send(exchange);
      exchange
        .head(Number(action.slice(-3)), JSON_TYPE)
        .data('{"error":{"message":"No.","type":"X","param":null,"code":1}}')
        .end();
      return;
    case 'html':
      if (exchange.headed) return;
      send(exchange);
      exchange.head(200, 'text/html').data('<html>').end();
      return;
    case 'bad json':
      if (!call.peek.stream) answer(exchange, '{"id":"x","choices":[');
      return;
    case 'connect':
      if (!exchange.sentOnce) exchange.failed('connect');
      return;
    case 'stale':
      if (exchange.headed) return;
      send(exchange);
      exchange.failed('stale');
      return;
    case 'died':
    case 'nonsense':
      send(exchange);
      exchange.failed(action);
      return;
    case 'cut':
      send(exchange);
      exchange.cut('died');
  }
}

function send(exchange: FakeExchange): void {
  if (!exchange.sentOnce) exchange.sent();
}

function begin(exchange: FakeExchange, call: Call): void {
  send(exchange);
  if (!exchange.headed) exchange.head(200, call.peek.stream ? 'text/event-stream; charset=utf-8' : JSON_TYPE);
}

/** A whole answer, unless part of another has been sent. */
function answer(exchange: FakeExchange, text: string): void {
  send(exchange);
  if (!exchange.headed) exchange.head(200, JSON_TYPE, text.length);
  if (exchange.payload === '') exchange.data(text);
  exchange.end();
}
