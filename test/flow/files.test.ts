import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { startTestGateway } from '../support/gateway.ts';
import { errorOf } from './asking.ts';
import { FILES_PATH, type FilesScene, send, sent, startFilesScene } from './files-scene.ts';

// OpenAI's Files API, case by case.

let scene: FilesScene;
const start = async (settings: SettingsInput = {}) => void (scene = await startFilesScene(settings));
afterEach(() => scene[Symbol.asyncDispose]());

const ask = (path: string, init: RequestInit = {}) => fetch(`${scene.to.url}${FILES_PATH}${path}`, init);
const LINE = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}\n';
const REFUSED = { type: 'invalid_request_error' };

describe('a file', () => {
  beforeEach(() => start());

  test('is told as OpenAI tells it, and gone in thirty days where it is input of a batch', async () => {
    const response = await send(scene.to, { file: LINE, purpose: 'batch' });
    expect(response.status).toBe(200);
    const file = (await response.json()) as { id: string; created_at: number };
    expect(file).toEqual({
      id: expect.stringMatching(/^file-[0-9a-f]{32}$/),
      object: 'file',
      bytes: LINE.length,
      created_at: expect.any(Number),
      expires_at: file.created_at + 2_592_000,
      filename: 'data.jsonl',
      purpose: 'batch',
      status: 'processed',
      status_details: null,
    });
    expect(await (await ask(`/${file.id}`)).json()).toEqual(file);
    expect(scene.onDisk()).toEqual([file.id]);
    expect(scene.to.log.find(({ event }) => event === 'file.added')).toMatchObject({ file: file.id, bytes: LINE.length, purpose: 'batch' });
  });

  test('comes back as it was, whole and in parts', async () => {
    const id = await sent(scene.to, '0123456789');
    const whole = await ask(`/${id}/content`);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '10',
      'content-disposition': "attachment; filename*=UTF-8''a.txt",
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      'x-request-id': expect.any(String),
    });
    expect(await whole.text()).toBe('0123456789');
    const part = await ask(`/${id}/content`, { headers: { range: 'bytes=2-4' } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234']);
    const changed = await ask(`/${id}/content`, { headers: { range: 'bytes=2-4', 'if-range': '"another"' } });
    expect([changed.status, await changed.text()]).toEqual([200, '0123456789']);
    const none = await ask(`/${id}/content`, { headers: { range: 'bytes=10-' } });
    expect([none.status, none.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    expect(await errorOf(none)).toMatchObject({ ...REFUSED, code: 'range_not_satisfiable' });
    const head = await ask(`/${id}/content`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
  });

  test('is deleted once, and unknown from then on', async () => {
    const id = await sent(scene.to, 'x');
    const gone = await ask(`/${id}`, { method: 'DELETE' });
    expect(await gone.json()).toEqual({ id, object: 'file', deleted: true });
    for (const response of [
      await ask(`/${id}`, { method: 'DELETE' }),
      await ask(`/${id}`),
      await ask(`/${id}/content`),
      await ask(`/${id}/content`, { headers: { range: 'bytes=0-0' } }),
    ]) {
      expect(response.status).toBe(404);
      expect(await errorOf(response)).toEqual({ ...REFUSED, message: `No such File object: ${id}`, param: 'id', code: null });
    }
    await expect.poll(() => scene.onDisk()).toEqual([]);
  });

  test('is expired when whoever sent it said', async () => {
    const fields = { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '3600' };
    const file = (await (await send(scene.to, { file: 'x', purpose: 'user_data', fields })).json()) as {
      created_at: number;
      expires_at: number;
    };
    expect(file.expires_at - file.created_at).toBe(3_600);
  });

  test('may have any name, which is no path', async () => {
    for (const name of ['../../../etc/passwd', 'x'.repeat(300), 'ünï☃.jsonl']) {
      const response = await send(scene.to, { file: 'x', purpose: 'user_data', name });
      expect(await response.json()).toMatchObject({ filename: name });
    }
    const raw =
      '--b\r\ncontent-disposition: form-data; name="file"; filename="a\0b"\r\n\r\nx\r\n--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nevals\r\n--b--\r\n';
    const response = await ask('', { method: 'POST', body: raw, headers: { 'content-type': 'multipart/form-data; boundary=b' } });
    expect(await response.json()).toMatchObject({ filename: 'a\ufffdb', bytes: 1 });
    expect(scene.onDisk()).toHaveLength(4);
    for (const name of scene.onDisk()) expect(name).toMatch(/^file-[0-9a-f]{32}$/);
  });

  test('of a batch may have broken lines behind its first: the batch says so', async () => {
    expect((await send(scene.to, { file: `${LINE}no json\n{"custom_id":1}\n`, purpose: 'batch' })).status).toBe(200);
    // Some name what they send as they like.
    expect((await send(scene.to, { file: LINE, purpose: 'batch', name: 'upload' })).status).toBe(200);
  });
});

describe('what is refused', () => {
  beforeEach(() => start({ files: { max_file_bytes: 3_000_000, batch_max_file_bytes: 1_000_000 } }));
  afterEach(() => expect(scene.onDisk()).toEqual([]));

  test.each([
    [
      'no file',
      { purpose: 'batch' },
      { param: 'file', code: 'missing_required_parameter', message: "Missing required parameter: 'file'." },
    ],
    [
      'no purpose',
      { file: LINE },
      { param: 'purpose', code: 'missing_required_parameter', message: "Missing required parameter: 'purpose'." },
    ],
    ['a purpose that nobody knows', { file: LINE, purpose: 'answers' }, { param: 'purpose', code: 'invalid_value' }],
    [
      'no JSONL',
      { file: 'hello', purpose: 'batch', name: 'notes.txt' },
      { param: null, code: null, message: 'Invalid file format for Batch API. Must be .jsonl' },
    ],
    [
      'nothing for a batch',
      { file: '', purpose: 'batch' },
      { param: null, code: null, message: 'Invalid file format for Batch API. Must be .jsonl' },
    ],
    ['a first line that is no JSON', { file: 'hello\n' + LINE, purpose: 'batch' }, { param: null, code: null }],
    [
      'a batch that is too large',
      { file: LINE + ' '.repeat(1_000_000), purpose: 'batch' },
      { param: 'file', code: null, message: 'File is too large.' },
    ],
    [
      'an expiry too soon',
      { file: 'x', purpose: 'evals', fields: { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '60' } },
      { param: 'expires_after.seconds', code: 'integer_below_min_value' },
    ],
    [
      'an expiry too late',
      { file: 'x', purpose: 'evals', fields: { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '9999999' } },
      { param: 'expires_after.seconds', code: 'integer_above_max_value' },
    ],
    [
      'an unknown anchor',
      { file: 'x', purpose: 'evals', fields: { 'expires_after[anchor]': 'now', 'expires_after[seconds]': '3600' } },
      { param: 'expires_after.anchor', code: 'invalid_value' },
    ],
    ['a name beyond measure', { file: 'x', purpose: 'evals', name: 'x'.repeat(2_000) }, { param: 'file', code: 'invalid_value' }],
  ])('%s', async (_, form, error) => {
    const response = await send(scene.to, form);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ ...REFUSED, ...error });
  });

  test('more than any file may have: 413, and nobody has to send it to its end', async () => {
    const response = await send(scene.to, { file: new Uint8Array(4_200_000), purpose: 'user_data' });
    expect(response.status).toBe(413);
    expect(await errorOf(response)).toMatchObject({ ...REFUSED, code: 'request_too_large', param: 'file' });
    const counted = await send(scene.to, { file: new Uint8Array(3_000_001), purpose: 'user_data' });
    expect(counted.status).toBe(413);
    expect(await counted.text()).toContain('larger than 3000000 bytes');
  });

  test.each([
    ['application/json', '{}'],
    ['multipart/form-data', 'x'],
    ['multipart/form-data; boundary=' + 'x'.repeat(300), 'x'],
    ['multipart/form-data; boundary=b', 'no form at all'],
    ['multipart/form-data; boundary=b', '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf'],
    ['multipart/form-data; boundary=b', '--b\r\ncontent-disposition: form-data; name="fi'],
  ])('a body of %s that is no whole form', async (type, body) => {
    const response = await ask('', { method: 'POST', body, headers: { 'content-type': type } });
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toMatch(/^Could not parse multipart form: /);
  });

  test.each([
    ['two files', ['file', 'file'], 'more than one file'],
    ['a field twice', ['purpose', 'purpose'], 'more than once'],
    ['fields without end', Array.from({ length: 40 }, (_, at) => `f${at}`), 'too many parts'],
  ])('%s', async (_, names, message) => {
    const form = new FormData();
    for (const name of names) form.append(name, name === 'file' ? new File(['x'], 'x') : 'batch');
    const response = await ask('', { method: 'POST', body: form });
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toContain(message);
  });
});

describe('a list', () => {
  beforeEach(() => start());

  test('begins with the newest, and is gone through by ids', async () => {
    const ids: string[] = [];
    for (const text of ['1', '2', '3']) ids.push(await sent(scene.to, text));
    ids.push(await sent(scene.to, LINE, 'batch'));
    const page = async (query: string) => (await (await ask(query)).json()) as { data: { id: string }[]; has_more: boolean };
    const idsOf = async (query: string) => (await page(query)).data.map(({ id }) => id);
    expect(await page('')).toMatchObject({ object: 'list', first_id: ids[3], last_id: ids[0], has_more: false });
    expect(await idsOf('?order=asc')).toEqual(ids);
    expect(await idsOf('?purpose=batch')).toEqual([ids[3]]);
    expect(await idsOf('?purpose=unknown')).toEqual([]);
    expect(await page('?limit=2')).toMatchObject({ has_more: true, last_id: ids[2] });
    expect(await idsOf(`?limit=2&after=${ids[2]}`)).toEqual([ids[1], ids[0]]);
    expect(await page(`?after=${ids[0]}`)).toEqual({ object: 'list', data: [], first_id: null, last_id: null, has_more: false });
  });

  test.each([
    ['?limit=0', 'limit', 'integer_below_min_value'],
    ['?limit=10001', 'limit', 'integer_above_max_value'],
    ['?limit=many', 'limit', 'invalid_value'],
    ['?order=newest', 'order', 'invalid_value'],
    ['?after=file-unknown', 'after', 'invalid_value'],
  ])('%s is refused', async (query, param, code) => {
    const response = await ask(query);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ ...REFUSED, param, code });
  });

  test('has ten thousand files on one page', async () => {
    for (let number = 0; number < 10_001; number++) {
      const id = `file-${String(number).padStart(32, '0')}`;
      await scene.records.addFile({ id, owner: '', bytes: 1, createdAt: number, filename: 'a', purpose: 'evals', expiresAt: null }, null);
    }
    const page = (await (await ask('')).json()) as { data: unknown[]; has_more: boolean };
    expect([page.data.length, page.has_more]).toEqual([10_000, true]);
  });
});

describe('keys', () => {
  const KEYS = { app: 'hg-the-key-of-the-app-1', other: 'hg-the-key-of-another-1' };
  const as = (name: keyof typeof KEYS) => ({ authorization: `Bearer ${KEYS[name]}` });
  beforeEach(() => start({ auth: { keys: Object.entries(KEYS).map(([name, key]) => ({ name, key })) } }));

  test('have files of their own, and see no other’s', async () => {
    const id = await sent(scene.to, 'mine', 'user_data', as('app'));
    for (const [path, method] of [
      [`/${id}`, 'GET'],
      [`/${id}/content`, 'GET'],
      [`/${id}`, 'DELETE'],
    ] as const) {
      expect((await ask(path, { method, headers: as('other') })).status).toBe(404);
      expect((await ask(path, { method })).status).toBe(401);
    }
    expect(await (await ask('', { headers: as('other') })).json()).toMatchObject({ data: [] });
    expect(await (await ask(`/${id}/content`, { headers: as('app') })).text()).toBe('mine');
  });
});

test('what is no way to ask is told with the ways that there are', async () => {
  await start();
  for (const [path, method, allow] of [
    ['', 'PUT', 'POST, GET, HEAD'],
    ['/file-1', 'POST', 'GET, HEAD, DELETE'],
    ['/file-1/content', 'DELETE', 'GET, HEAD'],
  ] as const) {
    const response = await ask(path, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
  }
  const upload = await fetch(`${scene.to.url}/v1/uploads`, { method: 'POST', body: '{}' });
  expect(upload.status).toBe(404);
  expect(await errorOf(upload)).toMatchObject({
    code: 'unknown_url',
    message: 'POST /v1/uploads is not offered here: send the file as a whole to /v1/files.',
  });
});

test('a gateway without a folder says so; one without batches keeps files all the same', async () => {
  await start({ batches: { enabled: false } });
  expect(await sent(scene.to, 'x')).toMatch(/^file-/);
  const nowhere = await startTestGateway(['http://127.0.0.1:9']);
  try {
    for (const [path, method] of [
      ['', 'POST'],
      ['', 'GET'],
      ['/file-1', 'GET'],
    ] as const) {
      const response = await fetch(`${nowhere.url}${FILES_PATH}${path}`, { method });
      expect(response.status).toBe(404);
      expect((await errorOf(response)).message).toContain('files.dir');
    }
  } finally {
    await nowhere.stop();
  }
});

test('a full house is 507, and no reason to send it again', async () => {
  await start({ files: { max_total_bytes: 10 } });
  await sent(scene.to, '12345678');
  const response = await send(scene.to, { file: '123', purpose: 'evals' });
  expect([response.status, response.headers.get('x-should-retry'), response.headers.get('x-headgate-reason')]).toEqual([
    507,
    'false',
    'storage_full',
  ]);
  expect(await errorOf(response)).toMatchObject({ type: 'server_error', code: 'storage_full' });
  expect(scene.onDisk()).toHaveLength(1);
});
