import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Call, Route } from '../../../gateway/core/call.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { ANONYMOUS } from '../../../gateway/core/principal.ts';
import type { ModelEntry } from '../../../gateway/core/worker.ts';
import { Turns } from '../../../gateway/http/body/turns.ts';
import { identify, requestIdOf } from '../../../gateway/http/identify.ts';
import { CHAT } from '../../support/fake-call.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';

const AUDIO: Route = { path: '/v1/audio/transcriptions', dialect: 'openai', body: 'multipart', streamEnd: 'done-event' };
const SOURCES = ['header', 'prompt_cache_key'] as const;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

/** Two models; the first has the aliases "small" and "gpt-4o". */
class Aliased extends FakeDirectory {
  override resolve(name: string | null): ModelEntry | null {
    return super.resolve(name === 'small' || name === 'gpt-4o' ? 'org/first' : name);
  }
}
const directory = new Aliased(createFakeClock(), [], ['org/first', 'second']);

async function made(body: string, headers: Record<string, string> = {}, route = CHAT, trustTrace = false): Promise<Call> {
  const incoming = Object.assign(Readable.from([Buffer.from(body)]), {
    headers: { 'content-type': route.body === 'json' ? 'application/json' : 'multipart/form-data; boundary=x', ...headers },
    complete: true,
  });
  const context = {
    clock: createFakeClock(),
    turns: new Turns(),
    directory,
    maxBodyBytes: () => 1_000,
    trustTrace: () => trustTrace,
    sessionSources: () => SOURCES,
    wantsPrefix: () => false,
    answerPlace: () => null,
    gatewayId: '0',
  };
  return identify(
    context,
    incoming as unknown as IncomingMessage,
    { id: 'id-1', route, principal: ANONYMOUS, arrivedAt: 5, trace: null },
    { onWanted() {}, onLength() {} },
  );
}

function sent({ body }: Call): string {
  return body.bytes.toString();
}

describe('a call', () => {
  test('is what the client asked for', async () => {
    const call = await made('{"model":"second","stream":true,"max_tokens":7,"messages":[]}');
    expect(call).toMatchObject({
      id: 'id-1',
      route: CHAT,
      model: 'second',
      principal: { kind: 'anonymous' },
      priority: 'interactive',
      sessionId: null,
      forward: {},
      arrivedAt: 5,
      peek: { stream: true, maxTokens: 7 },
      body: { contentType: 'application/json' },
    });
    expect(call.cancellation.cancelled).toBe(false);
  });

  test.each([
    ['{"model":"second"}', 'second', '{"model":"second"}'],
    ['{}', 'org/first', '{}'],
    ['{"model":null}', 'org/first', '{"model":null}'],
    ['{"model":""}', 'org/first', '{"model":"org/first"}'],
    ['{ "model" : "gpt-4o", "seed": 9007199254740993 }', 'org/first', '{ "model" : "org/first", "seed": 9007199254740993 }'],
    ['\ufeff{"model":"small"}', 'org/first', '{"model":"org/first"}'],
    [String.raw`{"mod\u0065l":"sm\u0061ll"}`, 'org/first', String.raw`{"mod\u0065l":"org/first"}`],
  ])('%s is for %s', async (body, model, forwarded) => {
    const call = await made(body);
    expect(call.model).toBe(model);
    expect(sent(call)).toBe(forwarded);
  });

  test('of an upload is for the model in its form', async () => {
    const form = (name: string) => `--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n${name}\r\n--x--\r\n`;
    for (const [name, model, id] of [
      ['second', 'second', 'second'],
      ['small', 'org/first', 'org/first'],
    ] as const) {
      const call = await made(form(name), {}, AUDIO);
      expect(call.model).toBe(model);
      expect(sent(call)).toBe(form(id));
    }
  });
});

describe('a large body', () => {
  /** Whether it was looked at, and how many turns it asked for. `gone`: its client leaves while it waits. */
  async function looked(bytes: number, gone = false): Promise<{ kind: string; turns: number }> {
    const socket = { destroyed: false };
    let asked = 0;
    class Watched extends Turns {
      override next(): Promise<void> {
        asked++;
        socket.destroyed = gone;
        return super.next();
      }
    }
    const body = `{"messages":[{"content":"${'x'.repeat(bytes)}"}]}`;
    const incoming = Object.assign(Readable.from([Buffer.from(body)]), { headers: { 'content-type': 'application/json' }, socket });
    const context = {
      clock: createFakeClock(),
      turns: new Watched(),
      directory,
      maxBodyBytes: () => 1_000_000,
      trustTrace: () => false,
      sessionSources: () => SOURCES,
      wantsPrefix: () => false,
      answerPlace: () => null,
      gatewayId: '0',
    };
    const head = { id: 'id', route: CHAT, principal: ANONYMOUS, arrivedAt: 0, trace: null };
    const kind = await identify(context, incoming as unknown as IncomingMessage, head, { onWanted() {}, onLength() {} }).then(
      () => 'call',
      (error: GatewayError) => error.kind,
    );
    return { kind, turns: asked };
  }

  test('is looked at in a turn of its own, a small one at once', async () => {
    expect(await looked(1_000)).toEqual({ kind: 'call', turns: 0 });
    expect(await looked(300_000)).toEqual({ kind: 'call', turns: 1 });
  });

  test('is not looked at when its client has left meanwhile', async () => {
    expect(await looked(300_000, true)).toEqual({ kind: 'truncated_body', turns: 1 });
  });
});

describe('headers that count', () => {
  test.each([
    ['batch', 'batch'],
    ['interactive', 'interactive'],
    ['BATCH', 'interactive'],
    ['urgent', 'interactive'],
    ['', 'interactive'],
  ])('the priority %j is %s', async (value, priority) => {
    expect((await made('{}', { 'x-headgate-priority': value })).priority).toBe(priority);
  });

  test.each([
    ['session-1', 'session-1'],
    ['~!@#', '~!@#'],
    ['x'.repeat(256), 'x'.repeat(256)],
    ['x'.repeat(257), null],
    ['a b', null],
    ['é', null],
    ['', null],
  ])('the session %j is %j', async (value, session) => {
    expect((await made('{}', { 'x-session-id': value })).sessionId).toBe(session);
  });

  test.each([
    [{}, '{"prompt_cache_key":"body"}', 'body'],
    [{ 'x-session-id': 'head' }, '{"prompt_cache_key":"body"}', 'head'],
    [{ 'x-session-id': 'a b' }, '{"prompt_cache_key":"body"}', 'body'],
    [{}, '{"user":"somebody"}', null],
  ])('with %j and %s the session is %j', async (headers, body, session) => {
    expect((await made(body, headers)).sessionId).toBe(session);
  });

  test('a trace goes on, with its sampling decision only where that is trusted', async () => {
    const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, tracestate: 'a=b' };
    expect((await made('{}', headers)).forward).toEqual({ traceparent: `00-${TRACE}-00f067aa0ba902b7-00`, tracestate: 'a=b' });
    expect((await made('{}', headers, CHAT, true)).forward).toEqual(headers);
    expect((await made('{}', { tracestate: 'a=b' }, CHAT, true)).forward).toEqual({});
  });

  test('nothing else goes on', async () => {
    const headers = {
      accept: 'application/json',
      authorization: 'Bearer x',
      cookie: 'a=b',
      'x-forwarded-for': '1.2.3.4',
      host: 'x',
      te: 'trailers',
    };
    expect((await made('{}', headers)).forward).toEqual({ accept: 'application/json' });
  });
});

describe('a request id', () => {
  const id = (given: string | undefined) => requestIdOf(given === undefined ? {} : { 'x-request-id': given }, () => 'new');

  test.each(['a', 'A-b_c.9', 'x'.repeat(128)])('%s is kept', (given) => {
    expect(id(given)).toBe(given);
  });

  test.each([undefined, '', 'x'.repeat(129), 'a b', 'a/b', 'a\n', 'é', '"', '<', '%0a'])('%j is replaced', (given) => {
    expect(id(given)).toBe('new');
  });
});

describe('refusals', () => {
  const kind = async (call: Promise<Call>): Promise<string> => {
    const error = await call.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof GatewayError)) throw new Error('it was not refused');
    return error.kind;
  };

  test.each<[string, () => Promise<Call>]>([
    ['unsupported_encoding', () => made('{}', { 'content-encoding': 'gzip' })],
    ['unsupported_media_type', () => made('{}', { 'content-type': 'text/plain' })],
    ['unsupported_media_type', () => made('{}', { 'content-type': 'application/json; charset=utf-16' })],
    ['unsupported_media_type', () => made('--x--', { 'content-type': 'application/json' }, AUDIO)],
    ['request_too_large', () => made('{}', { 'content-length': '1001' })],
    ['request_too_large', () => made(`{"a":"${'x'.repeat(1_000)}"}`)],
    ['request_too_large', () => made(`--x${'x'.repeat(1_000)}`, {}, AUDIO)],
    ['invalid_json', () => made('')],
    ['invalid_value', () => made('{"n":0}')],
    ['invalid_value', () => made('no form', {}, AUDIO)],
  ])('%s', async (expected, call) => {
    expect(await kind(call())).toBe(expected);
  });

  test('the body is wanted only when the head is sound', async () => {
    for (const [headers, wanted] of [
      [{ 'content-type': 'text/plain' }, 0],
      [{ 'content-type': 'application/json', 'content-encoding': 'br' }, 0],
      [{ 'content-type': 'application/json', 'content-length': '9999' }, 0],
      [{ 'content-type': 'application/json' }, 1],
    ] as const) {
      let asked = 0;
      const incoming = Object.assign(Readable.from([Buffer.from('{}')]), { headers, complete: true });
      const context = {
        clock: createFakeClock(),
        turns: new Turns(),
        directory,
        maxBodyBytes: () => 1_000,
        trustTrace: () => false,
        sessionSources: () => SOURCES,
        wantsPrefix: () => false,
        answerPlace: () => null,
        gatewayId: '0',
      };
      const head = { id: 'id', route: CHAT, principal: ANONYMOUS, arrivedAt: 0, trace: null };
      const reading = { onWanted: () => asked++, onLength() {} };
      await identify(context, incoming as unknown as IncomingMessage, head, reading).catch(() => {});
      expect(asked).toBe(wanted);
    }
  });
});
