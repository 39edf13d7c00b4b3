import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { until } from '../support/gateway.ts';
import { connectRaw } from '../support/raw-client.ts';
import { FILES_PATH, type FilesScene, send, startFilesScene } from './files-scene.ts';
import { rawRequest } from './raw-request.ts';

// Uploads as they come over real lines: cut, slow, many at once.

const KEY = 'hg-the-key-of-the-app-1';
const BOUNDARY = 'a-boundary';
/** A parser holds back what may be the beginning of a boundary: the file begins with some bytes. */
const FILE = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n${'y'.repeat(1_000)}`;
const END = `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--${BOUNDARY}--\r\n`;
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

let scene: FilesScene;
const start = async (settings: SettingsInput = {}) => void (scene = await startFilesScene(settings));
afterEach(() => scene[Symbol.asyncDispose]());

interface Slow {
  readonly upload: ClientRequest;
  readonly answer: Promise<{ readonly status: number; readonly body: string } | string>;
  write(text: string | Buffer): Promise<void>;
}

/** An upload whose pieces the test sends itself, chunked. */
function slowly(headers: Record<string, string> = {}, path = FILES_PATH): Slow {
  const upload = request(`${scene.to.url}${path}`, { method: 'POST', headers: { 'content-type': TYPE, ...headers } });
  const answer = new Promise<{ status: number; body: string } | string>((resolve) => {
    upload.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    upload.on('response', (response: IncomingMessage) => {
      let body = '';
      response.on('data', (piece: Buffer) => (body += piece.toString()));
      response.on('error', () => {});
      response.on('close', () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
  return { upload, answer, write: (text) => new Promise((resolve) => void upload.write(text, () => resolve())) };
}

test('one that is cut leaves nothing', async () => {
  await start();
  const { upload, answer, write } = slowly();
  await write(FILE);
  await write(Buffer.alloc(2_000_000));
  await until(() => scene.onDisk().length === 1, 'it is being written');
  expect(scene.onDisk()[0]).toMatch(/^file-[0-9a-f]{32}\.\d+\./);
  upload.destroy();
  await answer;
  await until(() => scene.onDisk().length === 0, 'nothing is left');
  expect((await scene.records.fileIds()).size).toBe(0);
  await until(() => scene.to.log.some(({ code }) => code === 'truncated_body'), 'it is in the books');
});

test('one that breaks the rules of HTTP in the middle leaves nothing, and is refused once', async () => {
  await start();
  using client = await connectRaw(scene.to.port);
  client.send(rawRequest('POST', FILES_PATH, { 'content-type': TYPE, 'transfer-encoding': 'chunked' }));
  client.send(`${FILE.length.toString(16)}\r\n${FILE}\r\n`);
  await until(() => scene.onDisk().length === 1, 'it is being written');
  client.send('zz\r\n');
  expect(await client.answer()).toMatchObject({ status: 400, headers: { connection: 'close' } });
  await client.ended;
  await until(() => scene.onDisk().length === 0, 'nothing is left');
});

test('one that takes longer than any other body may goes on as long as it moves; another body does not', async () => {
  await start({ server: { header_timeout_ms: 500, upload_timeout_ms: 1 } });
  const [file, other] = [slowly(), slowly({ 'content-type': 'application/json' }, '/v1/chat/completions')];
  await file.write(FILE);
  await other.write('{"model":');
  // The server looks at its limits twice meanwhile, at least.
  expect(await other.answer).toMatchObject({ status: 408 });
  await file.write(Buffer.alloc(100_000));
  const again = slowly({ 'content-type': 'application/json' }, '/v1/chat/completions');
  await again.write('{"model":');
  expect(await again.answer).toMatchObject({ status: 408 });
  file.upload.end(END);
  expect(await file.answer).toMatchObject({ status: 200, body: expect.stringContaining('"bytes":101000') });
});

test('a stranger’s is refused by its head: nothing of its body is asked for', async () => {
  await start({ auth: { keys: [{ name: 'app', key: KEY }] } });
  using client = await connectRaw(scene.to.port);
  client.send(rawRequest('POST', FILES_PATH, { 'content-type': TYPE, 'content-length': '1000', expect: '100-continue' }));
  expect(await client.answer()).toMatchObject({ status: 401 });
  using welcome = await connectRaw(scene.to.port);
  const body = `${FILE}x${END}`;
  const headers = { 'content-type': TYPE, 'content-length': String(body.length), authorization: `Bearer ${KEY}`, expect: '100-continue' };
  welcome.send(rawRequest('POST', FILES_PATH, headers));
  expect(await welcome.answer()).toMatchObject({ status: 100 });
  welcome.send(body);
  expect(await welcome.answer()).toMatchObject({ status: 200 });
});

test('one that says that it is too large is not asked for either', async () => {
  await start({ files: { max_file_bytes: 1_000 } });
  using client = await connectRaw(scene.to.port);
  client.send(rawRequest('POST', FILES_PATH, { 'content-type': TYPE, 'content-length': '9000000', expect: '100-continue' }));
  expect(await client.answer()).toMatchObject({ status: 413 });
});

test('a purpose that comes first spares a batch that is too large the rest', async () => {
  await start({ files: { batch_max_file_bytes: 1_000 } });
  const { upload, answer, write } = slowly();
  await write(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n${FILE}`);
  await write(Buffer.alloc(400_000));
  expect(await answer).toMatchObject({ status: 400, body: expect.stringContaining('File is too large.') });
  upload.destroy();
  expect(scene.onDisk()).toEqual([]);
});

test('many at once arrive whole, each as its own; one more than a key may have is told to come again', async () => {
  await start();
  const sent = Array.from({ length: 12 }, (_, at) => Buffer.alloc(700_000 + at, 97 + at));
  const ids = await Promise.all(
    sent.map(async (file) => ((await (await send(scene.to, { file, purpose: 'user_data' })).json()) as { id: string }).id),
  );
  for (const [at, id] of ids.entries()) {
    const back = Buffer.from(await (await fetch(`${scene.to.url}${FILES_PATH}/${id}/content`)).arrayBuffer());
    expect(back.equals(sent[at]!)).toBe(true);
  }
  const open = Array.from({ length: 16 }, () => slowly());
  for (const { write } of open) await write(FILE);
  await until(() => scene.onDisk().length === 12 + 16, 'all are being written');
  const refused = await send(scene.to, { file: 'x', purpose: 'user_data' });
  expect([refused.status, refused.headers.get('x-headgate-reason')]).toEqual([503, 'queue_full']);
  for (const { upload } of open) upload.end(`x${END}`);
  for (const { answer } of open) expect(await answer).toMatchObject({ status: 200 });
  expect((await send(scene.to, { file: 'x', purpose: 'user_data' })).status).toBe(200);
});

test('a drain waits for those that run, takes no others, and cuts them when its time is over', async () => {
  await start({ shutdown: { grace_ms: 60_000 } });
  const { upload, answer, write } = slowly();
  await write(FILE);
  await until(() => scene.onDisk().length === 1, 'it is being written');
  const late = await connectRaw(scene.to.port);
  const stopped = scene.to.stop();
  await until(() => scene.to.log.some(({ event, stage }) => event === 'drain' && stage === 'refusing'), 'others are refused');
  late.send(rawRequest('POST', FILES_PATH, { 'content-type': TYPE }, `${FILE}x${END}`));
  expect(await late.answer()).toMatchObject({ status: 503 });
  late[Symbol.dispose]();
  upload.end(`x${END}`);
  expect(await answer).toMatchObject({ status: 200 });
  await stopped;
  expect((await scene.records.fileIds()).size).toBe(1);
});

test('one that is cut by the end of a drain leaves nothing', async () => {
  await start({ shutdown: { grace_ms: 1 } });
  const { answer, write } = slowly();
  await write(FILE);
  await until(() => scene.onDisk().length === 1, 'it is being written');
  await scene.to.stop();
  expect(typeof (await answer)).toBe('string');
  expect(scene.onDisk()).toEqual([]);
});
