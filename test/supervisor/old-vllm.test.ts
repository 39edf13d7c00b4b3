import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { pretendVllm } from './support/pretend-vllm.ts';
import { FAKE_ENGINE, superviseHere } from './support/running-supervisor.ts';

const KNOWN = [
  ...['dtype', 'gpu-memory-utilization', 'max-num-seqs', 'max-num-batched-tokens', 'max-model-len', 'enable-auto-tool-choice'],
  ...['tool-call-parser', 'served-model-name', 'host', 'port', 'attention-backend', 'enable-prompt-tokens-details'],
  ...Array.from({ length: 50 }, (_, index) => `flag-${index}`),
];

test('a vLLM that lacks some flags is asked, started without them, and the operator is told', async () => {
  const serve = `exec '${process.execPath}' '${FAKE_ENGINE}' good "$@"`;
  const bin = pretendVllm('0.23.0', KNOWN, `case "$*" in "serve --help=all") cat "$here/help";; *) ${serve};; esac`);
  const port = await freePort(21);
  const supervisor = await superviseHere(
    { supervisor: { engine: 'vllm', profile: 't4', port_range: [port, port + 20] } },
    { PATH: `${bin}${delimiter}${process.env['PATH']}` },
  );
  const view = await supervisor.worker(({ state }) => state === 'ready');
  expect(view.args).toEqual(
    expect.arrayContaining(['--dtype', 'half', '--attention-backend', 'TRITON_ATTN', '--enable-prompt-tokens-details']),
  );
  for (const flag of ['--max-cudagraph-capture-size', '--shutdown-timeout', '--enable-request-id-headers'])
    expect(view.args).not.toContain(flag);
  const told = supervisor.log.map(({ msg }) => String(msg));
  expect(told).toContainEqual(expect.stringContaining('which flags it has'));
  expect(told).toContain('vLLM 0.23.0 has no --max-cudagraph-capture-size yet, so it is left out.');
  expect(readFileSync(join(supervisor.folder, '.headgate', 'vllm-flags.json'), 'utf8')).toContain('--attention-backend');
});
