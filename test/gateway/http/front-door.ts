import { afterAll, beforeAll, expect } from 'vitest';
import type { SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { ERRORS, type ErrorKind } from '../../../gateway/core/errors.ts';
import { answers, startFakeVllm, type FakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../../support/gateway.ts';
import { ask, type RawAnswer } from '../../support/raw-client.ts';

/** Text that stands for a prompt: it must not come back in any refusal, nor in the log. */
export const SECRET = 'plover-xyzzy-9431';
export const CHAT = '{"model":"m","messages":[]}';

export interface FrontDoor {
  readonly gateway: TestGateway;
  readonly worker: FakeVllm;
  readonly port: number;
  /** Says one thing on a connection of its own. */
  ask(bytes: string | Buffer): Promise<RawAnswer>;
  /** A chat with this body and no more headers than it needs. */
  chat(body: string | Buffer): Promise<RawAnswer>;
}

/**
 * One gateway with a scripted worker for all tests of a file. When they are done it must still answer a good request, hold nothing, and
 * have logged neither a failure of its own nor the secret.
 */
export function frontDoor(settings: SettingsInput = {}): FrontDoor {
  const door = {} as { gateway: TestGateway; worker: FakeVllm; port: number };
  beforeAll(async () => {
    door.worker = await startFakeVllm();
    door.gateway = await startTestGateway([door.worker.url], settings);
    door.port = door.gateway.port;
    await door.gateway.gateway.firstReady;
  });
  afterAll(async () => {
    try {
      await expectWell(door.gateway, door.worker);
    } finally {
      await door.gateway.stop();
      await door.worker.die();
    }
  });
  return Object.assign(door, {
    ask: (bytes: string | Buffer) => ask(door.port, bytes),
    chat: (body: string | Buffer) => ask(door.port, request({ body })),
  });
}

export async function expectWell({ port, gateway, log }: TestGateway, worker: FakeVllm): Promise<void> {
  await until(() => gateway.figures.inFlight() === 0, 'nothing in flight');
  worker.script = answers.completion();
  expect((await ask(port, request({ body: CHAT }))).status).toBe(200);
  await until(() => gateway.figures.inFlight() === 0, 'nothing in flight after a good request');
  expect(log.filter(({ event }) => event === 'internal.error')).toEqual([]);
  expect(JSON.stringify(log)).not.toContain(SECRET);
}

export interface RequestParts {
  /** Default: a chat. */
  readonly line?: string;
  /** Whole header lines besides Host, Content-Type and Content-Length. */
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
  /** null: none. */
  readonly contentType?: string | null;
}

/** A request with sound framing, except for what `headers` puts into it. */
export function request({
  line = 'POST /v1/chat/completions HTTP/1.1',
  headers = [],
  body = '',
  contentType = 'application/json',
}: RequestParts): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const type = contentType === null ? [] : [`Content-Type: ${contentType}`];
  const lines = [line, 'Host: localhost', ...type, `Content-Length: ${bytes.length}`, ...headers];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
}

/** Holds a refusal to the contract: status, names, JSON in the one shape, the headers every answer has, and nothing that does not belong there. */
export function expectRefusal(answer: RawAnswer, kind: ErrorKind, param: string | null = null): void {
  const row = ERRORS[kind];
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: row.status });
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.headers['x-request-id']).toMatch(/^[\w.-]{1,128}$/);
  expect(answer.headers['x-headgate-reason']).toBe(row.reason);
  expect(JSON.parse(Buffer.from(answer.body, 'latin1').toString('utf8'))).toEqual({
    error: { message: expect.stringMatching(/\S/), type: row.type, param, code: row.code },
  });
  expect(answer.body.length).toBeLessThan(2_000);
  expect(answer.body).not.toMatch(/plover|node_modules|\.ts\b|\bat (?:async )?\w+ \(|Bearer/);
}
