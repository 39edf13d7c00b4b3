import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { factsOf, usageOf } from '../../../scripts/load/calls/events.ts';
import { runLoad } from '../../../scripts/load/calls/run-load.ts';
import { syntheticPrompts } from '../../../scripts/load/workload/prompts.ts';
import { readLoadOptions } from '../../../scripts/load/options.ts';
import { outFolder } from '../../../scripts/report/run-folder.ts';

describe('what a server says that is no answer', () => {
  test.each(['null', '5', '{"choices":null}', '{"choices":[]}', '{"choices":[null]}', '{"choices":[{"delta":null}]}', '{"choices":[{}]}'])(
    '%s is no piece of one',
    (data) => expect(factsOf(data).hasChoice).toBe(false),
  );

  test.each(['{"choices":[{"delta":{}}]}', '{"choices":[{"text":""}]}', '{"choices":[{"delta":{"content":"a"}}]}'])('%s is', (data) =>
    expect(factsOf(data).hasChoice).toBe(true),
  );

  test.each([-1, 1.5, 1e300, '9', Number.NaN])('so many tokens are no usage: %s', (completion_tokens) => {
    expect(usageOf({ usage: { prompt_tokens: 4, completion_tokens } })).toBeNull();
    expect(usageOf({ usage: { prompt_tokens: completion_tokens, completion_tokens: 4 } })).toBeNull();
  });

  test('a stream that ends well without a piece is no answer', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: [DONE]\n\n');
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    onTestFinished(() => void server.close());
    const { records } = await runLoad({
      target: {
        base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        ...{ endpoint: 'chat', model: 'm', stream: true, headers: {}, extra: {}, timeoutMs: 10_000 },
      },
      pace: { kind: 'closed', clients: 1, calls: 2, forMs: 10_000 },
      prompts: syntheticPrompts(
        { input: { kind: 'fixed', tokens: 4 }, output: { kind: 'fixed', tokens: 4 }, prefixGroups: 0, prefixTokens: 1 },
        1,
      ),
      ...{ seed: 1, cancelShare: 0 },
    });
    expect(records.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['broken', 'no_token'],
      ['broken', 'no_token'],
    ]);
  });
});

test.each([
  ['--clients', '1e12'],
  ['--calls', '1e9'],
])('%s %s is too much', (flag, value) => {
  expect(readLoadOptions([flag, value], {})).toMatchObject({ kind: 'usage', problem: expect.stringContaining(`${flag} must be`) });
});

test('where results go is made before anything is measured, or refused', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'headgate-out-'));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  expect(outFolder(cwd, 'a/b/c')).toBe(join(cwd, 'a/b/c'));
  expect(outFolder(cwd, 'a/b/c')).toBe(join(cwd, 'a/b/c'));
  writeFileSync(join(cwd, 'file'), '');
  expect(() => outFolder(cwd, 'file')).toThrow('--out file is a file: name a folder.');
  expect(() => outFolder(cwd, 'file/x')).toThrow('--out file/x cannot be made');
  expect(() => outFolder(cwd, '/proc/nope/x')).toThrow('--out /proc/nope/x cannot be made');
});
