import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { batchOf, ended, inputLine, submit } from '../flow/batch-scene.ts';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const LINES = 500;
const KILLS = 5;

test('a batch outlives kill -9: every line is in one file, once, however often the gateway dies', { timeout: 240_000 }, async () => {
  const folder = scratchFolder();
  await using worker = await startFakeVllm();
  worker.script = (request, response) => {
    const { messages } = JSON.parse(request.body) as { messages: { content: string }[] };
    const { content } = messages[0]!;
    const script = content.startsWith('bad') ? answers.error(400, { error: { message: 'no', code: 400 } }) : answers.completion(content);
    setTimeout(() => script(request, response), 100);
  };
  const port = await freePort();
  const settings = { workers: [{ url: worker.url, max_num_seqs: 8 }], server: { port }, shutdown: { settle_ms: 0 } };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const url = `http://127.0.0.1:${port}`;
  const start = async () => {
    const gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
    await gateway.prints(/is ready on|listening/);
    return gateway;
  };
  let gateway = await start();
  const lines = Array.from({ length: LINES }, (_, at) => inputLine(`line-${at}`, `${at % 10 === 3 ? 'bad' : 'say'} ${at}`));
  const id = await submit(url, lines);
  for (let kill = 0; kill < KILLS; kill++) {
    const before = worker.requests.length;
    await until(() => worker.requests.length >= before + 20 + Math.floor(Math.random() * 50), 'lines run');
    gateway.child.kill('SIGKILL');
    await gateway.exited;
    await gateway[Symbol.asyncDispose]();
    gateway = await start();
  }
  try {
    const { batch, output, errors } = await ended({ url }, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: LINES, completed: 450, failed: 50 } });
    expect([output.length, errors.length]).toEqual([450, 50]);
    expect(new Set([...output, ...errors].map((line) => line.custom_id)).size).toBe(LINES);
    expect((await batchOf(url, id)).usage.output_tokens).toBe(2 * 450);
  } finally {
    await gateway[Symbol.asyncDispose]();
  }
});
