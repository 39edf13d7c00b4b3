import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { waitReason } from '../../gateway/batches/waits.ts';
import { FileFolder } from '../../gateway/files/file-folder.ts';
import type { FileRow } from '../../gateway/state/store/file-terms.ts';
import { batch } from '../../scripts/commands/batch.ts';
import { cancel } from '../../scripts/commands/batches/cancel.ts';
import { compare } from '../../scripts/commands/batches/compare.ts';
import type { BatchContext } from '../../scripts/commands/batches/context.ts';
import { lookAt } from '../../scripts/commands/batches/input.ts';
import { list } from '../../scripts/commands/batches/list.ts';
import { results } from '../../scripts/commands/batches/results.ts';
import { show } from '../../scripts/commands/batches/show.ts';
import { type SubmitAsked, submit } from '../../scripts/commands/batches/submit.ts';
import { ADMIN_KEY } from '../support/admin.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { MemoryBatches } from '../support/memory-batches.ts';
import { freePort } from '../support/ports.ts';

const KEY = 'hg-app-0123456789abcdef';
const TOKENS = { input: 5, cached: 0, output: 3, reasoning: 0 };

/** The gateway's own runner finds none of them: each test says what becomes of its lines. */
class UnrunBatches extends MemoryBatches {
  override openBatches(): Promise<[]> {
    return Promise.resolve([]);
  }
}

let folder: string;
let worker: FakeVllm;
let gateway: TestGateway;
let records: MemoryBatches;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batch-command-'));
  worker = await startFakeVllm();
  records = new UnrunBatches();
  const settings = { auth: { keys: [{ name: 'app', key: KEY }] }, files: { dir: join(folder, 'files') } };
  gateway = await startTestGateway([worker.url], settings, undefined, folder, records.files, records);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A program's surroundings; what it writes. */
function scene(key: string | null = KEY, more: { base?: string; isLive?: boolean; admin?: boolean; onPause?: () => Promise<void> } = {}) {
  const said = { out: '', err: '' };
  const collect = (name: 'out' | 'err') =>
    new Writable({
      write(piece: Buffer, _, done) {
        said[name] += piece.toString('utf8');
        done();
      },
    });
  const clock = createFakeClock();
  const base = more.base ?? gateway.url;
  const admin = more.admin === true ? { base, key: ADMIN_KEY } : null;
  const context: BatchContext = {
    api: async () => ({ base, key, admin, advice: 'Is it running there?' }),
    clock,
    async pause(ms) {
      await clock.advance(ms);
      await (more.onPause?.() ?? delay(2));
    },
    out: collect('out'),
    err: collect('err'),
    isLive: more.isLive ?? false,
    columns: () => 100,
  };
  return { said, context };
}

const ENDPOINT = '/v1/chat/completions';
const line = (id: string) => JSON.stringify({ custom_id: id, method: 'POST', url: ENDPOINT, body: { model: 'm', messages: [] } });
const resultOf = (id: string, content: string) =>
  JSON.stringify({
    id: 'batch_req_1',
    custom_id: id,
    response: { status_code: 200, request_id: 'r', body: { model: 'm', choices: [{ message: { content }, finish_reason: 'stop' }] } },
    error: null,
  });

function asked(text: string, more: Partial<SubmitAsked> = {}): SubmitAsked {
  const file = join(folder, 'in.jsonl');
  writeFileSync(file, text);
  return { file, endpoint: null, window: '24h', metadata: {}, isWatched: false, ...more };
}

async function submitted(text: string, more: Partial<SubmitAsked> = {}): Promise<string> {
  const { context, said } = scene();
  expect(await submit(context, asked(text, more)), said.err).toBe(0);
  const id = said.out.trim();
  await until(async () => (await records.batchOf(id, 'app'))?.status !== 'validating', 'it was validated');
  return id;
}

/** Ends one line of a batch. */
async function settleOne(id: string, outputBytes = 0): Promise<void> {
  const claimed = (await records.claimSlice(id, 'h', null, Date.now()))!;
  const { slice, epoch } = claimed.claim;
  const lines = [{ slice, epoch, rank: claimed.lines[0]!.rank, end: 'completed', usage: TOKENS } as const];
  await records.settle({ batch: id, holder: 'h', lines, outputBytes, errorBytes: 0 });
  await records.releaseSlice(claimed.claim, 'h');
}

async function finish(id: string, output: string | null, status: 'completed' | 'expired' = 'completed'): Promise<void> {
  const epoch = (await records.claimBatch(id, 'h', Date.now()))!;
  await records.beginFinalizing(id, epoch, Date.now());
  await records.finish(id, epoch, { status, output: output === null ? null : await fileWith(output), error: null }, Date.now());
}

async function fileWith(text: string): Promise<FileRow> {
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob([text]), 'out.jsonl');
  const answer = await fetch(`${gateway.url}/v1/files`, { method: 'POST', headers: { authorization: `Bearer ${KEY}` }, body: form });
  return (await records.files.fileOf(((await answer.json()) as { id: string }).id, 'app', Date.now()))!;
}

test('a file is sent piece by piece and becomes a batch of what its first line is for', async () => {
  const text = Array.from({ length: 5_000 }, (_, i) => line(`line-${i}`)).join('\n');
  const id = await submitted(`\ufeff\n${text}`, { metadata: { name: 'nightly', a: 'b=c' } });
  expect(await records.batchOf(id, 'app')).toMatchObject({
    status: 'in_progress',
    endpoint: ENDPOINT,
    total: 5_000,
    metadata: { name: 'nightly', a: 'b=c' },
  });
  const row = (await records.files.listFiles('app', 'batch', { limit: 1, order: 'desc', after: null }, 0)).rows[0]!;
  expect(row).toMatchObject({ filename: 'in.jsonl', bytes: Buffer.byteLength(`\ufeff\n${text}`) });
});

test('a pipe is sent as it comes', async () => {
  const text = `\ufeff\n${Array.from({ length: 5_000 }, (_, i) => line(`line-${i}`)).join('\n')}`;
  const pipe = join(folder, 'pipe.jsonl');
  execFileSync('mkfifo', [pipe]);
  const writing = writeFile(pipe, text);
  const { context, said } = scene();
  expect(await submit(context, { ...asked(''), file: pipe }), said.err).toBe(0);
  await writing;
  const id = said.out.trim();
  await until(async () => (await records.batchOf(id, 'app'))?.status === 'in_progress', 'it was validated');
  expect(await records.batchOf(id, 'app')).toMatchObject({ total: 5_000, endpoint: ENDPOINT });
  const row = (await records.files.listFiles('app', 'batch', { limit: 1, order: 'desc', after: null }, 0)).rows[0]!;
  expect(row).toMatchObject({ filename: 'pipe.jsonl', bytes: Buffer.byteLength(text) });
  const stdin = await lookAt('-', () => Readable.from([Buffer.from('\n{"a":'), Buffer.from('1}\n{}')]));
  if (stdin.kind === 'wrong') throw new Error(stdin.message);
  expect(stdin.first.toString()).toBe('{"a":1}');
  expect(await buffer(stdin.sent.open())).toEqual(Buffer.from('\n{"a":1}\n{}'));
  expect(stdin.sent).toMatchObject({ name: 'stdin.jsonl', bytes: null });
  for (const [pieces, message] of [
    [[], 'standard input is empty.'],
    [['\n'], 'standard input holds no line.'],
  ] as const) {
    expect(await lookAt('-', () => Readable.from(pieces.map((piece) => Buffer.from(piece))))).toEqual({ kind: 'wrong', message });
  }
  expect(await lookAt(folder)).toEqual({ kind: 'wrong', message: `${folder} is a folder, and no file.` });
});

test.each([
  ['{"messages": [', 'is no JSONL: its first line is not a JSON object'],
  ['[1]', 'is no JSONL'],
  ['', 'is empty'],
  ['\n\n', 'holds no line'],
  ['{"custom_id":"1"}', 'say --endpoint'],
])('what is no input is not sent: %j', async (text, message) => {
  const { context, said } = scene();
  expect(await submit(context, asked(text))).toBe(1);
  expect(said).toEqual({ out: '', err: expect.stringContaining(message) });
  expect(await records.files.totalBytes()).toBe(0);
});

test('what is missing is told by name', async () => {
  const none = scene();
  expect(await submit(none.context, { ...asked('x'), file: join(folder, 'none') })).toBe(1);
  expect(none.said.err).toContain(`There is no file ${join(folder, 'none')}.`);
  const keyless = scene(null);
  expect(await submit(keyless.context, asked(line('a')))).toBe(1);
  expect(keyless.said.err).toContain('asks for a key: --key KEY, or set HEADGATE_API_KEY');
  const wrongKey = scene('nonsense');
  expect(await list(wrongKey.context, false)).toBe(1);
  expect(wrongKey.said.err).toContain('does not take this key');
  const unknown = scene();
  expect(await cancel(unknown.context, 'batch_none')).toBe(1);
  expect(unknown.said.err).toContain("No batch found with id 'batch_none'.");
  const away = scene(KEY, { base: `http://127.0.0.1:${await freePort()}` });
  expect(await submit(away.context, asked(line('a')))).toBe(1);
  expect(away.said.err).toMatch(/No gateway answers on .*ECONNREFUSED.*Is it running there\?/);
  const other = scene();
  expect(await submit(other.context, asked(line('a'), { window: '1h' }))).toBe(1);
  expect(other.said.err).toMatch(/completion_window.*The file is there: file-/);
});

test('a gateway without batches says what it lacks', async () => {
  const bare = await startTestGateway([worker.url]);
  const { context, said } = scene(null, { base: bare.url });
  expect(await list(context, false)).toBe(1);
  expect(said.err).toContain('database.url');
  await bare.stop();
});

test.each([true, false])('a batch is watched to its end (a terminal: %s)', async (isLive) => {
  let id: string | null = null;
  let left = 2;
  const { context, said } = scene(KEY, {
    isLive,
    async onPause() {
      id ??= (await records.listBatches('app', { limit: 1, order: 'desc', after: null })).rows[0]!.id;
      if ((await records.batchOf(id, 'app'))!.status !== 'in_progress') return delay(2);
      if (left-- > 0) await settleOne(id);
      else await finish(id, resultOf('a', 'hi'));
    },
  });
  expect(await submit(context, asked(`${line('a')}\n${line('b')}`, { isWatched: true }))).toBe(0);
  expect(said.out).toBe(`${id}\n`);
  expect(said.err).toContain(`results: headgate batch results ${id}`);
  // oxlint-disable-next-line no-control-regex
  if (isLive) expect(said.err).toMatch(/\r\u001b\[2Kin_progress · 1 of 2 lines \(50 %\) · .* lines\/s · about \d+ s left/);
  else expect(said.err.split('\n').filter((shown) => shown.startsWith('in_progress'))).toHaveLength(1);
});

test('one that fails ends the watching with 1, and says which lines were wrong', async () => {
  const { context, said } = scene();
  expect(await submit(context, asked(`${line('a')}\n${line('a')}`, { isWatched: true }))).toBe(1);
  expect(said.err).toContain('line 2: ');
  expect(said.err).toContain('has failed.');
  const shown = scene();
  expect(await show(shown.context, said.out.trim(), false)).toBe(0);
  expect(shown.said.out).toMatch(/status +failed[^]*line 2: .*\(duplicate_custom_id\)/);
});

test('lists and shows what is one’s own, or everybody’s with the key of an operator', async () => {
  const id = await submitted(line('a'), { metadata: { name: 'nightly\u001b[2J' } });
  await records.setPause(id, { reason: 'the quota of the day is used up', untilMs: null });
  const own = scene();
  expect(await list(own.context, false)).toBe(0);
  expect(own.said.out).toMatch(new RegExp(`${id} +in_progress +0 of 1 +0 +m +${ENDPOINT} .* UTC +nightly\n`));
  const operator = scene(null, { admin: true });
  expect(await list(operator.context, false)).toBe(0);
  expect(operator.said.out).toMatch(
    new RegExp(`${id} +app +in_progress +0 of 1 +0 +m .* nightly.* +pauses: the quota of the day is used up`),
  );
  const unnamed = await submitted(line('a'));
  const all = scene(null, { admin: true });
  expect(await list(all.context, false)).toBe(0);
  expect(all.said.out).toMatch(new RegExp(`${unnamed} .* in.jsonl +-`));
  expect(await show(operator.context, id, false)).toBe(0);
  expect(operator.said.out).toMatch(/owner +app[^]*pauses +the quota of the day/);
  await records.setPause(id, { reason: waitReason('Limit 60 reached. Please try again in 12s.'), untilMs: Date.UTC(2026, 0, 1, 0, 0, 12) });
  const waiting = scene(null, { admin: true });
  expect(await list(waiting.context, false)).toBe(0);
  expect(waiting.said.out).toContain('waits: Limit 60 reached. It goes on in 12 s.');
  expect(await show(waiting.context, id, false)).toBe(0);
  expect(waiting.said.out).toMatch(/waits +Limit 60 reached. It goes on in 12 s.\n/);
  const json = scene();
  expect(await show(json.context, id, true)).toBe(0);
  expect(JSON.parse(json.said.out)).toMatchObject({ id, status: 'in_progress', metadata: { name: 'nightly\u001b[2J' } });
  const gone = scene(null, { admin: true });
  expect(await show(gone.context, 'batch_none', false)).toBe(1);
  expect(await cancel(own.context, id)).toBe(0);
  expect(own.said.out).toContain(`${id} cancelling\n`);
});

test('results go to standard output or to a file, at the end', async () => {
  const id = await submitted(line('a'));
  const early = scene();
  expect(await results(early.context, { id, output: null, errors: false, follow: false })).toBe(1);
  expect(early.said.err).toContain('has not ended (in_progress, 0 of 1 lines): --follow waits for it.');
  let looks = 0;
  const followed = scene(KEY, {
    async onPause() {
      if (++looks === 2) await settleOne(id);
      if (looks === 3) await finish(id, `${resultOf('a', 'hi')}\n`);
    },
  });
  expect(await results(followed.context, { id, output: null, errors: false, follow: true })).toBe(0);
  expect(followed.said).toEqual({ out: `${resultOf('a', 'hi')}\n`, err: '' });
  expect(await results(early.context, { id, output: null, errors: true, follow: true })).toBe(0);
  expect(early.said.err).toContain('has no lines that failed');
  const file = join(folder, 'out.jsonl');
  expect(await results(early.context, { id, output: file, errors: false, follow: false })).toBe(0);
  expect(readFileSync(file, 'utf8')).toBe(`${resultOf('a', 'hi')}\n`);
  expect(await results(early.context, { id, output: file, errors: true, follow: false })).toBe(0);
  expect(early.said.err).toContain('has no lines that failed');
  expect(readdirSync(folder).filter((name) => name.includes('.part'))).toEqual([]);
  const link = join(folder, 'link.jsonl');
  symlinkSync(file, link);
  expect(await results(early.context, { id, output: link, errors: false, follow: false })).toBe(0);
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(await results(early.context, { id, output: '/dev/null', errors: false, follow: false })).toBe(0);
  expect(statSync('/dev/null').isFile()).toBe(false);
  expect(await results(early.context, { id, output: join(folder, 'none', 'out'), errors: false, follow: false })).toBe(1);
  expect(early.said.err).toContain(`The results cannot be written: there is no folder ${join(folder, 'none')}. Make it`);
});

test('lines that are followed come as they are written, each once, and the rest at the end', async () => {
  const id = await submitted(`${line('a')}\n${line('b')}\n${line('c')}`);
  const [first, second, third] = ['a', 'b', 'c'].map((name) => `${resultOf(name, `it is ${name}`)}\n`) as [string, string, string];
  const { journals } = new FileFolder(join(folder, 'files'));
  const journal = journals.open(id, 'h', { outputBytes: 0, errorBytes: 0 });
  const settle = async (text: string): Promise<void> => {
    const lengths = await journal.append({ out: [Buffer.from(text)], err: [] });
    journal.commit(lengths);
    await settleOne(id, lengths.out);
  };
  const seen: string[] = [];
  const { context, said } = scene(KEY, {
    async onPause() {
      seen.push(said.out);
      if (seen.length === 2) await settle(first);
      if (seen.length === 3) await settle(second);
      if (seen.length === 4) {
        await settle(third);
        await finish(id, third + second + first);
        await journal.close();
        await journals.remove(id);
      }
    },
  });
  expect(await results(context, { id, output: null, errors: false, follow: true }), said.err).toBe(0);
  expect(seen).toEqual(['', '', first, first + second]);
  expect(said).toEqual({ out: first + second + third, err: '' });
  const strange = { authorization: 'Bearer hg-other-0123456789abcdef' };
  expect((await fetch(`${gateway.url}/v1/batches/${id}/output`, { headers: strange })).status).toBe(401);
  const own = { authorization: `Bearer ${KEY}` };
  const over = await fetch(`${gateway.url}/v1/batches/${id}/output`, { headers: own });
  expect([over.status, await over.text(), over.headers.get('x-headgate-batch-status')]).toEqual([200, '', 'completed']);
  const wrong = await fetch(`${gateway.url}/v1/batches/${id}/output?after=x`, { headers: own });
  expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { param: 'after' } }]);
});

test('a batch that has ended is compared with a file, by text, as JSON and as a page', async () => {
  const id = await submitted(`${line('a')}\n${line('b')}`);
  await settleOne(id);
  await settleOne(id);
  await finish(id, `${resultOf('a', 'hi')}\n${resultOf('b', '<b>one</b>')}\n`);
  const other = join(folder, 'other.jsonl');
  writeFileSync(other, `${resultOf('b', 'two')}\n${resultOf('a', 'hi')}\n`);
  const json = scene();
  expect(await compare(json.context, [id, other], { kind: 'json' })).toBe(0);
  expect(JSON.parse(json.said.out)).toMatchObject({
    a: { name: id, lines: 2, finish_reasons: { stop: 2 } },
    compared: { same: 1, different: 1 },
    disagreements: [{ custom_id: 'b', verdict: 'different' }],
  });
  const page = join(folder, 'page.html');
  const shown = scene();
  expect(await compare(shown.context, [id, other], { kind: 'html', file: page })).toBe(0);
  expect(readFileSync(page, 'utf8')).toContain('<pre>&lt;b&gt;one&lt;/b&gt;</pre>');
  const text = scene();
  expect(await compare(text.context, [id, other], { kind: 'text' })).toBe(0);
  expect(text.said.out).toMatch(/same text +1 \(50.0 % of 2[^]*b +<b>one<\/b> +two/);
  expect(await compare(text.context, [id, 'none.jsonl'], { kind: 'text' })).toBe(1);
  expect(text.said.err).toContain('There is no file none.jsonl');
});

test('the command line: what is wrong with it ends with 2, and the key comes from the environment', async () => {
  const said = { out: '', err: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => (said.out += String(text)) !== '');
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => (said.err += String(text)) !== '');
  const wrong: [string[], string][] = [
    [['shw', 'x'], 'did you mean show?'],
    [['show'], 'ID is missing: headgate batch show ID'],
    [['show', 'a', 'b'], 'unexpected argument b'],
    [['list', '--watch'], '"headgate batch list" takes no --watch'],
    [['cancel', 'a', '-o', 'x'], 'takes no -o'],
    [['submit', 'x', '--metadata', 'y'], 'KEY=VALUE'],
    [['compare', 'a', 'b', '--json', '--html', 'c'], 'give one of them'],
  ];
  for (const [argv, message] of wrong) {
    said.err = '';
    expect(await batch(argv), argv.join(' ')).toBe(2);
    expect(said.err).toContain(message);
  }
  const { file } = asked(line('a'));
  vi.stubEnv('HEADGATE_API_KEY', KEY);
  const where = ['--port', String(gateway.port)];
  expect(await batch(['submit', file, '--metadata', 'a=1', '--metadata', 'b=2', '--name', 'n', ...where]), said.err).toBe(0);
  vi.unstubAllEnvs();
  expect((await records.listBatches('app', { limit: 1, order: 'desc', after: null })).rows[0]).toMatchObject({
    id: said.out.trim(),
    metadata: { a: '1', b: '2', name: 'n' },
  });
});
