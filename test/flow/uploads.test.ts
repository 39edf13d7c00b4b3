import { createServer, request, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { errorOf } from './asking.ts';
import { endOf, settled } from './settled.ts';

const PATH = '/v1/audio/transcriptions';
const BOUNDARY = 'a-boundary';
const ANSWER = '{"text":"hello"}';

/** What has come of one upload so far. */
interface Upload {
  readonly headers: IncomingMessage['headers'];
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  body: string;
  whole: boolean;
  closed: boolean;
}

/** A worker that shows uploads as they arrive, and answers those that are whole; `onBegun` hears of their first bytes. */
async function startListener(
  answer = (upload: Upload) => void upload.response.end(ANSWER),
  model = 'm',
  onBegun: (upload: Upload) => void = () => {},
) {
  const uploads: Upload[] = [];
  const server = createServer((incoming, response) => {
    response.setHeader('content-type', 'application/json');
    if (incoming.method === 'GET') {
      response.end(
        incoming.url === '/metrics'
          ? 'vllm:num_requests_running{engine="0"} 0\n'
          : `{"version":"1","object":"list","data":[{"id":"${model}"}]}`,
      );
      return;
    }
    const upload: Upload = { headers: incoming.headers, request: incoming, response, body: '', whole: false, closed: false };
    uploads.push(upload);
    incoming.once('data', () => onBegun(upload));
    incoming.on('data', (piece: Buffer) => (upload.body += piece.toString('latin1')));
    incoming.on('end', () => {
      upload.whole = true;
      answer(upload);
    });
    incoming.on('error', () => {});
    response.on('close', () => (upload.closed = true));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    uploads,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let worker: Awaited<ReturnType<typeof startListener>>;
let gateway: TestGateway | null = null;

beforeEach(async () => {
  worker = await startListener();
});

afterEach(async () => {
  if (gateway) await settled(gateway);
  await gateway?.stop();
  gateway = null;
  await worker.stop();
});

async function start(settings: SettingsInput = {}): Promise<TestGateway> {
  gateway = await startTestGateway([worker.url], settings);
  await gateway.gateway.firstReady;
  return gateway;
}

function field(name: string, value: string): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
}

function file(bytes: string): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="speech.wav"\r\nContent-Type: audio/wav\r\n\r\n${bytes}\r\n`;
}

const END = `--${BOUNDARY}--\r\n`;

function post(url: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}${PATH}`, {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
    body: Buffer.from(body, 'latin1'),
  });
}

/** An upload whose pieces the test sends itself. */
function slowly(url: string, id: string): { readonly upload: ClientRequest; readonly answer: Promise<number | string> } {
  const upload = request(`${url}${PATH}`, {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary="${BOUNDARY}"`, 'x-request-id': id },
  });
  const answer = new Promise<number | string>((resolve) => {
    upload.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    upload.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  return { upload, answer };
}

test('an upload reaches the worker as it was sent', async () => {
  const { url } = await start();
  const body = field('model', 'm') + field('language', 'de') + file('\u0000RIFF\u00ff\r\n--a-boundar'.repeat(20_000)) + END;
  const response = await post(url, body, { 'x-request-id': 'upload' });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe(ANSWER);
  expect(worker.uploads[0]?.body).toBe(body);
  expect(worker.uploads[0]?.headers['content-type']).toBe(`multipart/form-data; boundary=${BOUNDARY}`);
  expect(worker.uploads[0]?.headers['x-request-id']).not.toBe('upload');
  expect(await endOf(gateway!, 'upload')).toMatchObject({ outcome: 'complete', route: PATH, model: 'm' });
});

test('uploads that are still being sent hold no place: another is answered meanwhile, and they when they are whole', async () => {
  const { url } = await start({ workers: [{ url: worker.url, max_num_seqs: 1 }], admission: { headroom: 0, max_queue: 10 } });
  const first = field('model', 'm') + file('x'.repeat(200_000)).trimEnd();
  const slow = ['slow-1', 'slow-2', 'slow-3'].map((id) => slowly(url, id));
  for (const { upload } of slow) await new Promise((resolve) => upload.write(Buffer.from(first, 'latin1'), resolve));
  const quick = await post(url, field('model', 'm') + file('quick') + END);
  expect(quick.status).toBe(200);
  expect(worker.uploads).toHaveLength(1);
  expect(gateway!.gateway.figures.queueDepth('interactive')).toBe(0);
  for (const { upload } of slow) upload.end(`\r\n${END}`);
  expect(await Promise.all(slow.map(({ answer }) => answer))).toEqual([200, 200, 200]);
  expect(worker.uploads.slice(1).map(({ body }) => body)).toEqual(Array(3).fill(`${first}\r\n${END}`));
});

test.each([
  ['before the file', (model: string) => field('model', model) + file('x'.repeat(100))],
  ['behind a file longer than what is looked at', (model: string) => file('x'.repeat(300_000)) + field('model', model)],
])('an alias %s reaches the worker as the id of its model', async (_name, form) => {
  const { url } = await start({ models: [{ id: 'm', aliases: ['whisper-1'] }] });
  const response = await post(url, form('whisper-1') + field('prompt', 'whisper-1') + END);
  expect(response.status).toBe(200);
  expect(worker.uploads[0]?.body).toBe(form('m') + field('prompt', 'whisper-1') + END);
});

test('an upload with its file first goes to the model that it names behind it', async () => {
  await using second = { ...(await startListener(undefined, 'other')), [Symbol.asyncDispose]: () => second.stop() };
  gateway = await startTestGateway([worker.url, second.url]);
  const known = async () => ((await (await fetch(`${gateway!.url}/v1/models`)).json()) as { data: unknown[] }).data.length;
  await until(async () => (await known()) === 2, 'both models known');
  const body = file('x'.repeat(300_000)) + field('model', 'other') + END;
  expect((await post(gateway.url, body, { 'x-request-id': 'behind' })).status).toBe(200);
  expect(worker.uploads).toEqual([]);
  expect(second.uploads[0]?.body).toBe(body);
  expect(await endOf(gateway, 'behind')).toMatchObject({ outcome: 'complete', model: 'other' });
  // One that names none goes to the default model, one that nobody has nowhere.
  expect((await post(gateway.url, file('x'.repeat(300_000)) + END)).status).toBe(200);
  expect(worker.uploads).toHaveLength(1);
  expect((await post(gateway.url, file('x'.repeat(300_000)) + field('model', 'nobody') + END)).status).toBe(404);
});

test('a client that leaves in the middle of its upload is heard of by no worker', async () => {
  const { url } = await start();
  const { upload, answer } = slowly(url, 'left');
  const first = field('model', 'm') + file('x'.repeat(200_000)).trimEnd();
  await new Promise((resolve) => upload.write(first, resolve));
  upload.destroy();
  await answer;
  expect(await endOf(gateway!, 'left')).toMatchObject({ outcome: 'refused', code: 'truncated_body' });
  expect(worker.uploads).toEqual([]);
});

test('a client that leaves before the model is known leaves no trace', async () => {
  const { url } = await start();
  const { upload, answer } = slowly(url, 'early');
  // Once it is written it is read, whenever the other side comes to it.
  await new Promise((resolve) => upload.write(`--${BOUNDARY}\r\n`, resolve));
  upload.destroy();
  await answer;
  await endOf(gateway!, 'early');
  expect(worker.uploads).toEqual([]);
});

test('an upload that says it is over the limit is 413, and no worker hears of it', async () => {
  const { url } = await start({ server: { max_body_bytes: 500_000 } });
  const response = await post(url, field('model', 'm') + file('x'.repeat(1_000_000)) + END);
  expect(response.status).toBe(413);
  expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code: 'request_too_large' });
  expect(worker.uploads).toEqual([]);
});

test.each([
  ['its model first', field('model', 'm') + file('x'.repeat(1_000_000)) + END],
  ['its file first', file('x'.repeat(1_000_000)) + field('model', 'm') + END],
])('an upload with %s that proves to be over the limit is 413', async (_name, body) => {
  const { url } = await start({ server: { max_body_bytes: 500_000 } });
  const { upload, answer } = slowly(url, 'large');
  for (let at = 0; at < body.length; at += 50_000) upload.write(body.slice(at, at + 50_000));
  upload.end();
  expect(await answer).toBe(413);
  expect(await endOf(gateway!, 'large')).toMatchObject({ status: 413, outcome: 'refused', code: 'request_too_large' });
  await until(() => worker.uploads.every(({ closed }) => closed), 'the worker freed');
  expect(worker.uploads.every(({ whole }) => !whole)).toBe(true);
  // A client's fault is none of the worker's.
  expect(gateway!.gateway.figures.breakers().get(new URL(worker.url).host)?.consecutiveFailures ?? 0).toBe(0);
});

test('an upload whose worker died is sent to another', async () => {
  let died = 0;
  const dies = (upload: Upload) => void (died++ === 0 ? upload.request.socket.resetAndDestroy() : upload.response.end(ANSWER));
  await worker.stop();
  worker = await startListener(dies);
  await using second = { ...(await startListener(dies)), [Symbol.asyncDispose]: () => second.stop() };
  gateway = await startTestGateway([worker.url, second.url]);
  await until(
    async () => ((await (await fetch(`${gateway!.url}/readyz?verbose`)).text()).match(/"state":"ready"/g) ?? []).length === 2,
    'both workers ready',
  );
  const body = field('model', 'm') + file('x'.repeat(200_000)) + END;
  expect((await post(gateway.url, body, { 'x-request-id': 'again' })).status).toBe(200);
  expect([...worker.uploads, ...second.uploads].map((upload) => upload.body)).toEqual([body, body]);
  expect(await endOf(gateway, 'again')).toMatchObject({ status: 200, attempts: 2 });
});

test('a worker that refuses an upload before it has all of it is heard', async () => {
  await worker.stop();
  worker = await startListener(undefined, 'm', ({ request: incoming, response }) => {
    incoming.pause();
    response.writeHead(400, { connection: 'close' });
    response.end('{"error":{"message":"not audio","type":"BadRequestError","param":"file","code":400}}');
  });
  const { url } = await start();
  const response = await post(url, field('model', 'm') + file('x'.repeat(8_000_000)) + END, { 'x-request-id': 'refused' });
  expect(response.status).toBe(400);
  expect(worker.uploads[0]?.whole).toBe(false);
  expect(await endOf(gateway!, 'refused')).toMatchObject({ status: 400, outcome: 'refused', code: 'invalid_value' });
});

test.each([
  ['text/plain', 415, 'unsupported_media_type'],
  ['application/json', 415, 'unsupported_media_type'],
  ['multipart/form-data', 415, 'unsupported_media_type'],
  ['multipart/form-data; boundary=another', 400, 'invalid_value'],
])('an upload of type %s is %i', async (contentType, status, code) => {
  const { url } = await start();
  const response = await post(url, field('model', 'm') + END, { 'content-type': contentType });
  expect(response.status).toBe(status);
  expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code });
  expect(worker.uploads).toEqual([]);
});

test('an upload for a model that does not exist is 404', async () => {
  const { url } = await start();
  const response = await post(url, field('model', 'nobody') + file('x') + END);
  expect(response.status).toBe(404);
  expect(await errorOf(response)).toMatchObject({ code: 'model_not_found', param: 'model' });
  expect(worker.uploads).toEqual([]);
});
