import { describe, expect, test } from 'vitest';
import type { Peek } from '../../../../gateway/core/call.ts';
import { RELAYED_BY_PATH } from '../../../../gateway/http/routes.ts';
import { EventSizes } from '../../../../gateway/telemetry/events/event-sizes.ts';

const route = RELAYED_BY_PATH.get('/v1/chat/completions')!;
const PEEK: Peek = { model: 'm', stream: true, promptChars: 9, promptHead: '', maxTokens: null, choices: 1, promptLogprobs: null };
const call = (peek: Partial<Peek> = {}) => ({ model: 'm', route, peek: { ...PEEK, ...peek } });

describe('tokens in the events of a stream that was left', () => {
  test('are one each, or as many as the request says, while no stream has been counted', () => {
    const sizes = new EventSizes();
    expect(sizes.guess(call(), 7)).toBe(7);
    expect(sizes.guess(call({ streamInterval: 5 }), 7)).toBe(35);
  });

  test('are as many as in those that were counted, each kind by itself', () => {
    const sizes = new EventSizes();
    // A worker that is busy sends what has gathered.
    sizes.learn(call(), 100, 150);
    sizes.learn(call({ streamInterval: 5 }), 40, 200);
    expect(sizes.guess(call(), 20)).toBe(30);
    expect(sizes.guess(call({ streamInterval: 5 }), 20)).toBe(100);
  });

  test('are no more than were asked for', () => {
    expect(new EventSizes().guess(call({ streamInterval: 5, maxTokens: 16, choices: 2 }), 7)).toBe(32);
  });

  test('are learnt for so many intervals and no more, whatever clients write', () => {
    const sizes = new EventSizes();
    sizes.learn(call({ streamInterval: 1_000 }), 1, 90);
    expect(sizes.guess(call({ streamInterval: 2_000 }), 2)).toBe(180);
  });
});
