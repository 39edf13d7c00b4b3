import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as inFolder } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { join, VERDICTS } from '../../../../scripts/commands/batches/compare/join.ts';
import { outputLine } from '../../../../scripts/commands/batches/compare/output-line.ts';
import { pageHead, pageRow } from '../../../../scripts/commands/batches/compare/report-html.ts';
import { besides } from '../../../../scripts/commands/batches/compare/report-text.ts';
import { lineAt, readSide } from '../../../../scripts/commands/batches/compare/side.ts';
import { percentile } from '../../../../scripts/commands/batches/compare/tally.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(inFolder(tmpdir(), 'compare-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const chat = (id: string, content: string, tokens = 3) =>
  JSON.stringify({
    id: 'batch_req_1',
    custom_id: id,
    response: {
      status_code: 200,
      request_id: 'r',
      body: {
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: tokens },
      },
    },
    error: null,
  });
const vllmFailure = (id: string) =>
  JSON.stringify({
    id: 'vllm-1',
    custom_id: id,
    response: { status_code: 400, request_id: 'vllm-batch-1', body: null },
    error: { error: { message: 'too long', type: 'BadRequestError', param: null, code: 400 } },
  });

function file(name: string, lines: readonly string[]): string {
  const path = inFolder(folder, name);
  writeFileSync(path, lines.join('\n'));
  return path;
}

const told = (value: object) => outputLine(Buffer.from(JSON.stringify({ custom_id: 'x', ...value })));
const body = (value: object) => told({ response: { status_code: 200, body: value }, error: null });

test.each<[string, ReturnType<typeof told>, object | null]>([
  [
    'a chat',
    outputLine(Buffer.from(chat('x', 'hello'))),
    { isFailed: false, model: 'm', promptTokens: 5, completionTokens: 3, finish: 'stop', text: 'hello' },
  ],
  [
    'a call of a tool',
    body({ choices: [{ message: { content: null, tool_calls: [{ function: { name: 'f', arguments: '{"a":1}' } }] } }] }),
    { text: 'f({"a":1})', isFailed: false },
  ],
  ['a completion of two choices', body({ choices: [{ text: 'a' }, { text: 'b' }] }), { text: 'a\n\nb' }],
  [
    'a response',
    body({
      status: 'completed',
      output: [{ type: 'reasoning' }, { type: 'message', content: [{ type: 'output_text', text: 'hi' }] }],
      usage: { input_tokens: 1, output_tokens: 2 },
    }),
    { text: 'hi', finish: 'completed', promptTokens: 1, completionTokens: 2 },
  ],
  [
    'vectors',
    body({ data: [{ embedding: [1, 2] }], usage: { prompt_tokens: 2 } }),
    { text: '[{"embedding":[1,2]}]', completionTokens: null },
  ],
  [
    'a refusal',
    told({ response: { status_code: 400, body: { error: { message: 'no', code: 'bad' } } } }),
    { isFailed: true, text: '400 bad no' },
  ],
  [
    'an answer that is no JSON',
    told({ response: { status_code: 502, body: '<html>' }, error: null }),
    { isFailed: true, text: '502 <html>' },
  ],
  [
    'a line that never ran',
    told({ response: null, error: { code: 'batch_expired', message: 'late' } }),
    { isFailed: true, text: 'batch_expired late' },
  ],
  ["vLLM's failure", outputLine(Buffer.from(vllmFailure('x'))), { isFailed: true, text: '400 BadRequestError too long' }],
  ["vLLM's failure in words", told({ response: { status_code: 500, body: null }, error: 'boom' }), { isFailed: true, text: '500 boom' }],
  ['an input line', told({ method: 'POST', url: '/v1/chat/completions', body: {} }), null],
  ['no JSON', outputLine(Buffer.from('{"custom_id"')), null],
])('what is read of %s', (_, line, expected) => {
  if (expected === null) expect(line).toBeNull();
  else expect(line).toMatchObject({ customId: 'x', ...expected });
});

test('sides are summed up, and joined whatever the order of their lines', async () => {
  const a = await readSide('A', [file('a', [chat('1', 'same'), chat('2', 'one', 9), chat('3', 'x'), chat('4', 'x'), chat('1', 'again')])]);
  const b = await readSide('B', [
    file('b', ['', vllmFailure('3'), chat('5', 'y'), 'nonsense']),
    file('b-more', [chat('2', 'two'), chat('1', 'same')]),
  ]);
  expect(a.tally.report('A')).toMatchObject({
    lines: 4,
    errors: 0,
    models: { m: 4 },
    finish_reasons: { stop: 4 },
    prompt_tokens: 20,
    completion_tokens: 18,
    completion_length: { mean: 4.5, p50: 3, p95: 9 },
    repeated: 1,
    unreadable: 0,
  });
  expect(b.tally.report('B')).toMatchObject({ lines: 4, errors: 1, prompt_tokens: 15, unreadable: 1 });
  const { counts, disagreements } = join(a, b);
  expect(counts).toEqual({ same: 1, different: 1, failed_a: 0, failed_b: 1, failed_both: 0, only_a: 1, only_b: 1 });
  expect(disagreements.map(({ customId, verdict }) => [customId, verdict])).toEqual([
    ['2', 'different'],
    ['3', 'failed_b'],
  ]);
  expect((await lineAt(disagreements[0]!.b))?.text).toBe('two');
});

test('every custom_id of either side is counted once', async () => {
  const lines = fc.array(fc.record({ id: fc.integer({ min: 0, max: 12 }), text: fc.constantFrom('a', 'b', null) }), { maxLength: 20 });
  const write = (name: string, of: readonly { id: number; text: string | null }[]) =>
    file(
      name,
      of.map(({ id, text }) => (text === null ? vllmFailure(`${id}`) : chat(`${id}`, text))),
    );
  await fc.assert(
    fc.asyncProperty(lines, lines, async (ofA, ofB) => {
      const joined = join(await readSide('A', [write('law-a', ofA)]), await readSide('B', [write('law-b', ofB)]));
      const ids = new Set([...ofA, ...ofB].map(({ id }) => id));
      expect(VERDICTS.reduce((sum, verdict) => sum + joined.counts[verdict], 0)).toBe(ids.size);
      expect(new Set(joined.disagreements.map(({ customId }) => customId)).size).toBe(joined.disagreements.length);
      const first = (of: typeof ofA, id: number) => of.find((line) => line.id === id);
      const same = [...ids].filter((id) => first(ofA, id)?.text != null && first(ofA, id)?.text === first(ofB, id)?.text);
      expect(joined.counts.same).toBe(same.length);
    }),
  );
});

test('a file of something else is told by name', async () => {
  const input = JSON.stringify({ custom_id: '1', method: 'POST', url: '/v1/chat/completions', body: {} });
  await expect(readSide('in.jsonl', [file('in', [input])])).rejects.toThrow(
    'in.jsonl holds no results: line 1 is no line of an output file.',
  );
  expect((await readSide('empty', [file('empty', [])])).lines.size).toBe(0);
});

test.each([
  [[1], 0.95, 1],
  [[1, 2], 0.5, 1],
  [[1, 2, 3, 4], 0.5, 2],
  [Array.from({ length: 100 }, (_, i) => i + 1), 0.95, 95],
])('percentiles of %j', (sorted, share, expected) => expect(percentile(Float64Array.from(sorted), share)).toBe(expected));

test('texts stand beside each other from a little before they differ, without what a terminal would obey', () => {
  const long = 'the same beginning of both that nobody needs to see ';
  expect(besides('id', `${long}A`, `${long}\u001b[31mB`, 100)).toMatch(/^id {18} {2}….{20}A +….{20}B$/);
});

test('a page shows texts as texts, and is told to run nothing', async () => {
  const evil = '<script>alert(1)</script>';
  const side = (await readSide(evil, [])).tally.report(evil);
  const page =
    pageHead(side, side, join({ lines: new Map() }, { lines: new Map() })) + pageRow({ customId: evil, verdict: 'failed_a' }, evil, '"');
  expect(page).not.toContain('<script');
  expect(page).toContain("default-src 'none'");
  expect(page).toContain('<td class="failed"><pre>&lt;script&gt;');
});
