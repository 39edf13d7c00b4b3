import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkerTransport } from '../../../../gateway/core/transport.ts';
import { createTransport } from '../../../../gateway/workers/wire/transport.ts';
import { whyUnreached } from '../../../../gateway/vllm/unreached.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { Heard } from './heard.ts';
import { POST, rested } from './wire.ts';

const MAKE = 'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=worker -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem';

/** A key and a certificate of its own for 127.0.0.1; null where there is no openssl to make one. */
function selfSigned(): { key: Buffer; cert: Buffer } | null {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-tls-'));
  try {
    execFileSync('openssl', MAKE.split(' '), { cwd: folder, stdio: 'ignore' });
    return { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) };
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const identity = selfSigned();

describe.skipIf(identity === null)(`a worker behind TLS${identity === null ? ' (skipped: there is no openssl command)' : ''}`, () => {
  const server = createServer(identity ?? {}, (request, response) => {
    if (request.url === '/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let i = 0; i < 50; i++) response.write(`data: ${i}\n\n`);
      response.end();
    } else response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":1}');
  });
  let accepted = 0;
  let transport: WorkerTransport;
  beforeAll(async () => {
    server.on('secureConnection', () => accepted++);
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    transport = make();
  });
  afterAll(async () => {
    await transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  function make(): WorkerTransport {
    const { port } = server.address() as AddressInfo;
    return createTransport({ url: `https://127.0.0.1:${port}`, apiKey: null, clock: createFakeClock(), connectMs: () => 3_000, proofs: 0 });
  }

  async function spoken(over: WorkerTransport, path: string): Promise<Heard> {
    const heard = new Heard();
    over.exchange({ ...POST, path }, heard);
    await heard.over;
    await rested();
    return heard;
  }

  test('is not spoken to when nobody vouches for it', async () => {
    const stranger = make();
    const heard = await spoken(stranger, '/x');
    expect(heard.failure).toMatchObject({ kind: 'connect', error: { cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } } });
    await expect(stranger.get('/health', 5_000)).rejects.toThrow(/self-signed/);
    expect(stranger.openSockets).toBe(0);
    await stranger.close();
  });

  test('is spoken to over kept connections when its certificate is trusted: answers, streams and small questions', async () => {
    const before = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...before, identity!.cert]);
    try {
      expect((await spoken(transport, '/x')).payload).toBe('{"a":1}');
      const stream = await spoken(transport, '/stream');
      expect(stream.order).toEqual(['sent', 'head', 'frames', 'end']);
      expect(stream.payload).toBe(Array.from({ length: 50 }, (_, index) => `data: ${index}\n\n`).join(''));
      expect(accepted).toBe(1);
      expect(await transport.get('/health', 5_000)).toEqual({ status: 200, body: '{"a":1}' });
      const heard = new Heard();
      transport.exchange({ ...POST, body: { bytes: Buffer.from('ab') } }, heard);
      await heard.over;
      expect(heard.payload).toBe('{"a":1}');
    } finally {
      tls.setDefaultCACertificates(before);
    }
  });

  /** What a look and a call make of it. */
  async function named(url: string): Promise<{ status: string | undefined; told: string | undefined }> {
    const other = createTransport({ url, apiKey: null, clock: createFakeClock(), connectMs: () => 3_000 });
    const look = await other.get('/health', 5_000).then(
      () => null,
      (error: unknown) => whyUnreached(error),
    );
    const heard = await spoken(other, '/x');
    await other.close();
    return { status: look?.class, told: heard.failure?.error.message };
  }

  test('is named for what is wrong with it, to operator and client', async () => {
    const { port } = server.address() as AddressInfo;
    const untrusted = await named(`https://127.0.0.1:${port}`);
    expect(untrusted).toEqual({ status: 'tls_untrusted', told: expect.stringMatching(/certificate that is not trusted here\.$/) });
    expect((await named(`http://127.0.0.1:${port}`)).status).toBe('http_not_spoken');
    const before = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...before, identity!.cert]);
    try {
      const wrong = await named(`https://localhost:${port}`);
      expect(wrong).toEqual({ status: 'tls_wrong_name', told: expect.stringMatching(/certificate for another name\.$/) });
      expect(wrong.told).not.toMatch(/localhost|127\.0\.0\.1/);
    } finally {
      tls.setDefaultCACertificates(before);
    }
  });
});
