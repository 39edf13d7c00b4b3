import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { Refusals } from '../../../gateway/http/refusals.ts';
import { until } from '../../support/gateway.ts';
import { connectRaw } from '../../support/raw-client.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';
import { CHAT, frontDoor, request } from './front-door.ts';

const JSON_HEAD = ['content-type: application/json', 'x-headgate-reason: client_error', 'x-should-retry: false'];
const KEPT = ['Date: now', 'Connection: keep-alive', 'Keep-Alive: timeout=75'];
const MINE = 'X-Request-Id: mine';

describe('a refusal on the wire', () => {
  const door = frontDoor({ models: [{ id: 'm' }] });

  /** The lines of the answer's head, and its body. */
  async function said(bytes: string | Buffer): Promise<{ head: string[]; body: string }> {
    using client = await connectRaw(door.port);
    client.send(bytes);
    await until(() => client.received.includes('\r\n\r\n'), 'a head');
    // The body comes in the same write.
    const [head = '', body = ''] = client.received.split('\r\n\r\n');
    return { head: head.replace(/(?<=\r\nDate: )[^\r]+/, 'now').split('\r\n'), body };
  }

  test('of a relayed request has these headers, in this order', async () => {
    const body =
      '{"error":{"message":"We could not parse the JSON body of your request (at character 1).","type":"invalid_request_error","param":null,"code":"invalid_json"}}';
    expect(await said(request({ body: '{x', headers: [MINE] }))).toEqual({
      head: ['HTTP/1.1 400 Bad Request', ...JSON_HEAD, 'x-request-id: mine', `content-length: ${body.length}`, ...KEPT],
      body,
    });
  });

  test('of a message is in the words of its API', async () => {
    const body = '{"type":"error","error":{"type":"not_found_error","message":"The model `none` does not exist. There is m."}}';
    expect(await said(request({ line: 'POST /v1/messages HTTP/1.1', body: '{"model":"none"}', headers: [MINE] }))).toEqual({
      head: ['HTTP/1.1 404 Not Found', ...JSON_HEAD, 'x-request-id: mine', 'request-id: mine', `content-length: ${body.length}`, ...KEPT],
      body,
    });
  });

  test('of a path that nobody has, and of HEAD, which has no body', async () => {
    const get = await said(request({ line: 'GET /nowhere HTTP/1.1', headers: [MINE], contentType: null }));
    expect(get.head).toEqual(['HTTP/1.1 404 Not Found', 'x-request-id: mine', ...JSON_HEAD, `content-length: ${get.body.length}`, ...KEPT]);
    expect(await said(request({ line: 'HEAD /nowhere HTTP/1.1', headers: [MINE], contentType: null }))).toEqual({
      head: ['HTTP/1.1 404 Not Found', 'x-request-id: mine', `content-length: ${get.body.length + 1}`, ...JSON_HEAD, ...KEPT],
      body: '',
    });
  });

  test('of a method that a relayed path does not have names the one that it has', async () => {
    const { head, body } = await said(request({ line: 'PUT /v1/chat/completions HTTP/1.1', headers: [MINE], body: CHAT }));
    const length = `content-length: ${body.length}`;
    expect(head).toEqual(['HTTP/1.1 405 Method Not Allowed', 'x-request-id: mine', 'allow: POST', ...JSON_HEAD, length, ...KEPT]);
  });

  test('of a target that is none closes the connection', async () => {
    const { head, body } = await said(request({ line: 'GET ftp://x/ HTTP/1.1', headers: [MINE], contentType: null }));
    const length = `content-length: ${body.length}`;
    expect(head).toEqual(['HTTP/1.1 400 Bad Request', ...JSON_HEAD, 'connection: close', 'x-request-id: mine', length, 'Date: now']);
  });

  test('of what is no request has an id of its own, and is the last on its connection', async () => {
    const { head, body } = await said('noise\r\n\r\n');
    const id = head.find((line) => line.startsWith('x-request-id: '))!;
    expect(id).toMatch(/^x-request-id: [0-9a-f]{32}$/);
    expect(head).toEqual(['HTTP/1.1 400 Bad Request', ...JSON_HEAD, id, `content-length: ${body.length}`, 'connection: close']);
  });
});

describe('what is thrown', () => {
  const faults: unknown[] = [];
  const events = new RecordedEvents();
  const refusals = new Refusals({ random: seededRandom(1), events, onUnexpected: (error, id) => faults.push([error, id]) });

  test('is told to the client where it is meant for it, and is our fault where it is not', () => {
    const meant = new GatewayError('conflict', 'Not now.');
    expect(refusals.errorOf(meant, 'a')).toBe(meant);
    expect(faults).toEqual([]);
    const fault = new TypeError('secret');
    expect(refusals.errorOf(fault, 'b')).toMatchObject({ kind: 'internal', message: 'The gateway failed to handle the request.' });
    expect(faults).toEqual([[fault, 'b']]);
  });

  test('stands in the books though its client has gone', () => {
    const response = { destroyed: true } as ServerResponse;
    const request = { id: 'a', route: '/v1/messages', dialect: 'anthropic', method: 'POST', durationMs: 7 } as const;
    refusals.answer({} as IncomingMessage, response, new GatewayError('draining', 'Over.'), request);
    const { dialect: _, ...told } = request;
    expect(events.of('requestRefused')).toEqual([[{ ...told, path: null, status: 503, code: 'server_shutting_down', key: null }]]);
  });
});
