import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './scratch.ts';

/** Flags that every pretended vLLM has, and as many more as make a help text believable. */
const FLAGS = [
  ...['gpu-memory-utilization', 'max-num-seqs', 'max-num-batched-tokens', 'max-model-len', 'dtype', 'max-cudagraph-capture-size'],
  ...['language-model-only', 'enforce-eager', 'enable-auto-tool-choice', 'tool-call-parser', 'reasoning-parser', 'attention-backend'],
  ...['served-model-name', 'host', 'port', 'shutdown-timeout', 'enable-request-id-headers', 'enable-prompt-tokens-details'],
  ...['disable-access-log-for-endpoints', 'tensor-parallel-size', 'pipeline-parallel-size', 'kv-cache-dtype'],
  ...Array.from({ length: 40 }, (_, index) => `flag-${index}`),
];

/**
 * A virtual environment with a `vllm` of this version that knows only how to help; resolves to the path of its `bin`. Each of its runs
 * adds a line to the file `calls` beside it. `script`: shell lines to run
 * instead; `packages`: what pip has left beside it.
 */
export function pretendVllm(
  version = '0.28.0',
  flags: readonly string[] = FLAGS,
  script?: string,
  packages: readonly string[] = [],
): string {
  const root = scratchFolder();
  const bin = join(root, 'bin');
  mkdirSync(bin);
  for (const name of [`vllm-${version}.dist-info`, ...packages])
    mkdirSync(join(root, 'lib', 'python3.12', 'site-packages', name), { recursive: true });
  const help = flags.map((flag) => `  --${flag} VALUE   sets it (see --no-such-thing-in-text)`).join('\n');
  writeFileSync(join(bin, 'help'), `usage: vllm serve [options]\n${help}\n`);
  const lines = script ?? `case "$*" in "serve --help=all") cat "$here/help";; *) echo "unexpected: $*" >&2; exit 2;; esac`;
  writeFileSync(join(bin, 'vllm'), `#!/bin/sh\nhere='${bin}'\necho "$*" >> "$here/calls"\n${lines}\n`);
  chmodSync(join(bin, 'vllm'), 0o755);
  return bin;
}
