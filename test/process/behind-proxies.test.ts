import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../../gateway/config/schema/settings.ts';
import { answers, event, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';

// The files of deploy/ for nginx and Caddy, in the real programs, in front of a real gateway.

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
const NAME = 'llm.example.com';
const MEBIBYTE = 1024 * 1024;

interface Proxy {
  readonly name: string;
  readonly program: string;
  /** Writes what it needs into the folder. @returns its arguments */
  arrange(folder: string, port: number, gateway: number): string[];
}

const PROXIES: readonly Proxy[] = [
  {
    name: 'nginx',
    program: 'nginx',
    arrange(folder, port, gateway) {
      const own = readFileSync(join(DEPLOY, 'nginx/headgate.conf'), 'utf8')
        .replace('listen 443', `listen 127.0.0.1:${port}`)
        .replace('127.0.0.1:8080', `127.0.0.1:${gateway}`)
        .replace(/ssl_certificate .*;/, `ssl_certificate ${folder}/cert.pem;`)
        .replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${folder}/key.pem;`);
      writeFileSync(join(folder, 'headgate-proxy.conf'), readFileSync(join(DEPLOY, 'nginx/headgate-proxy.conf')));
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((each) => `${each}_temp_path ${folder}/${each};`)
        .join(' ');
      const user = process.getuid?.() === 0 ? 'user root;' : '';
      writeFileSync(
        join(folder, 'nginx.conf'),
        `${user} daemon off; pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${temporary} ${own} }`,
      );
      return ['-p', folder, '-c', join(folder, 'nginx.conf')];
    },
  },
  {
    name: 'caddy',
    program: 'caddy',
    arrange(folder, port, gateway) {
      const own = readFileSync(join(DEPLOY, 'caddy/Caddyfile'), 'utf8')
        .replace(`${NAME} {`, `https://${NAME}:${port} {\n\tbind 127.0.0.1\n\ttls ${folder}/cert.pem ${folder}/key.pem`)
        .replace('127.0.0.1:8080', `127.0.0.1:${gateway}`);
      writeFileSync(join(folder, 'Caddyfile'), `{\n\tadmin off\n\tauto_https off\n\tstorage file_system ${folder}\n}\n${own}`);
      return ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')];
    },
  },
];

describe.each(PROXIES.map((proxy) => [proxy.name, proxy] as const))('behind %s', (_, proxy) => {
  const there = (program: string): boolean => spawnSync(program, ['version']).error === undefined;
  test.skipIf(!there(proxy.program) || !there('openssl'))('streams, uploads, addresses and operators', { timeout: 120_000 }, async () => {
    await using worker = await startFakeVllm();
    const folder = mkdtempSync(join(tmpdir(), 'headgate-proxy-'));
    await using gateway = await startTestGateway([worker.url], {
      limits: { trusted_proxies: ['127.0.0.1'], anonymous: { requests_per_minute: 12 } },
      files: { dir: join(folder, 'files') },
      database: { url: `sqlite:${join(folder, 'db')}` },
    });
    const port = await freePort();
    certificate(folder);
    const child = spawn(proxy.program, proxy.arrange(folder, port, gateway.port), { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (piece: Buffer) => (said += piece.toString('utf8')));
    try {
      const ask = (path: string, options: Asked = {}) => answer(port, path, options);
      const isUp = (): Promise<boolean> =>
        ask('/readyz').then(
          ({ status }) => status === 200,
          () => false,
        );
      await until(() => {
        if (child.exitCode !== null) throw new Error(said);
        return isUp();
      }, `${proxy.name} is up`);

      // Each event as it comes: the second is sent when the first has been read.
      const { promise: more, resolve: goOn } = Promise.withResolvers<void>();
      worker.script = (_asked, response) => {
        begin(response);
        void more.then(() => response.end(`${event('two', 'stop')}data: [DONE]\n\n`));
      };
      const stream = await open(port, '/v1/chat/completions', { json: { model: 'm', messages: [], stream: true } });
      expect(stream.headers['content-type']).toContain('text/event-stream');
      let text = '';
      stream.on('data', (piece: Buffer) => (text += piece.toString('utf8')));
      await until(() => text.includes('one'), 'the first token is here');
      expect(text).not.toContain('two');
      goOn();
      await once(stream, 'end');
      expect(text).toContain('two');
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);

      // Who goes away frees the worker.
      worker.script = (_asked, response) => begin(response);
      const left = await open(port, '/v1/chat/completions', { json: { model: 'm', messages: [], stream: true } });
      left.destroy();
      await until(() => worker.requests.at(-1)!.closed, 'the worker is told');

      // Files may be large, calls may not.
      worker.script = answers.completion();
      const upload = form(20 * MEBIBYTE);
      const file = await ask('/v1/files', upload);
      expect(file.status, file.body).toBe(200);
      expect((JSON.parse(file.body) as { bytes: number }).bytes).toBe(20 * MEBIBYTE);
      const long = { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(20 * MEBIBYTE) }] };
      expect((await ask('/v1/chat/completions', { json: long })).status).toBe(200);
      long.messages[0]!.content += 'x'.repeat(15 * MEBIBYTE);
      expect((await ask('/v1/chat/completions', { json: long })).status).toBe(413);

      // Each address has limits of its own, and none takes another's by saying so.
      const chat = { json: { model: 'm', messages: [] } };
      const statuses = async (options: Asked) => {
        const all: number[] = [];
        for (let at = 0; at < 14; at++) all.push((await ask('/v1/chat/completions', { ...chat, ...options })).status);
        return all;
      };
      expect((await statuses({ from: '127.0.0.2' })).toSorted()).toEqual([...Array<number>(12).fill(200), 429, 429]);
      expect((await ask('/v1/chat/completions', { ...chat, from: '127.0.0.2', headers: { 'x-forwarded-for': '10.1.1.1' } })).status).toBe(
        429,
      );
      expect((await ask('/v1/chat/completions', { ...chat, from: '127.0.0.3' })).status).toBe(200);

      // Operators come from this machine, with their key; others are not let through.
      expect((await ask('/admin/status')).status).toBe(401);
      for (const path of ['/admin/status', '/metrics', '/stats', '/console', '/debug/runtime'])
        expect((await ask(path, { from: '127.0.0.3' })).status, path).toBe(403);
    } finally {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test('nginx waits as long as a stream may last, and takes bodies as large as the gateway does', () => {
  const { timeouts, server, files } = defaultSettings();
  const common = readFileSync(join(DEPLOY, 'nginx/headgate-proxy.conf'), 'utf8');
  const hours = Number(/proxy_read_timeout (\d+)h;/.exec(common)?.[1]);
  expect(hours * 3_600_000).toBeGreaterThanOrEqual(timeouts.stream_max_ms);
  for (const name of ['headgate.conf', 'fleet.conf']) {
    const own = readFileSync(join(DEPLOY, 'nginx', name), 'utf8');
    const sizes = [...own.matchAll(/client_max_body_size (\d+)m;/g)].map(([, size]) => Number(size) * MEBIBYTE);
    expect(sizes[0]).toBe(server.max_body_bytes);
    expect(sizes[1]).toBeGreaterThan(files.max_file_bytes);
  }
});

function begin(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.write(event('one'));
}

interface Asked {
  readonly json?: unknown;
  readonly body?: Buffer;
  readonly headers?: Record<string, string>;
  /** The address that the call comes from; all of 127.0.0.0/8 is this machine. */
  readonly from?: string;
}

function open(port: number, path: string, { json, body, headers = {}, from = '127.0.0.1' }: Asked): Promise<IncomingMessage> {
  const bytes = json === undefined ? body : Buffer.from(JSON.stringify(json));
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ host: '127.0.0.1', port, path, localAddress: from, servername: NAME, rejectUnauthorized: false, agent: false },
      method: bytes ? 'POST' : 'GET',
      headers: {
        host: NAME,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(bytes ? { 'content-length': bytes.length } : {}),
        ...headers,
      },
    });
    asked.once('response', (response) => {
      asked.on('error', () => {});
      resolve(response);
    });
    asked.once('error', reject);
    asked.end(bytes);
  });
}

async function answer(port: number, path: string, options: Asked): Promise<{ status: number; body: string }> {
  const response = await open(port, path, options);
  let body = '';
  for await (const piece of response as AsyncIterable<Buffer>) body += piece.toString('utf8');
  return { status: response.statusCode!, body };
}

function form(size: number): Asked {
  const head = (name: string, more = ''): string => `--edge\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`;
  const start = `${head('purpose')}user_data\r\n${head('file', '; filename="large.txt"')}`;
  const body = Buffer.concat([Buffer.from(start), Buffer.alloc(size, 'x'), Buffer.from('\r\n--edge--\r\n')]);
  return { body, headers: { 'content-type': 'multipart/form-data; boundary=edge' } };
}

function certificate(folder: string): void {
  const out = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
  const about = ['-days', '2', '-nodes', '-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...out, ...about], { stdio: 'pipe' });
}
