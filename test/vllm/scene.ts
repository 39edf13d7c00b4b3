import type { Case, SceneName } from './case.ts';
import { BUSY } from './cases/busy.ts';
import { GOOD } from './cases/good.ts';
import { PAGES } from './cases/pages.ts';
import { POOLING } from './cases/pooling.ts';
import { REFUSED } from './cases/refused.ts';
import { STRUCTURED } from './cases/structured.ts';
import { TOOLS } from './cases/tools.ts';

/** How an engine is started for a part of the list. */
export interface Scene {
  readonly name: SceneName;
  /** Flags of `vllm serve`, the same for both engines. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What the gateway sends the engine as its key. */
  readonly key: string | null;
  readonly cases: readonly Case[];
}

const EXTRAS = [
  ...['--enable-auto-tool-choice', '--tool-call-parser', 'hermes', '--reasoning-parser', 'qwen3', '--api-key', 'secret'],
  ...['--enable-prompt-tokens-details', '--enable-per-request-metrics', '--enable-request-id-headers', '--enable-server-load-tracking'],
];

export const SCENES: readonly Scene[] = [
  { name: 'plain', flags: ['--served-model-name', 'tiny'], env: {}, key: null, cases: [...GOOD, ...REFUSED, ...STRUCTURED, ...PAGES] },
  {
    name: 'tools',
    flags: ['--served-model-name', 'tiny', 'tiny-two', ...EXTRAS],
    env: { VLLM_ENABLE_RESPONSES_API_STORE: '1' },
    key: 'secret',
    cases: TOOLS,
  },
  {
    name: 'pooling',
    flags: ['--served-model-name', 'tiny', '--runner', 'pooling', '--convert', 'embed'],
    env: {},
    key: null,
    cases: POOLING,
  },
  // Nothing may wait, so that nothing is let in: what a server says that has enough to do.
  { name: 'busy', flags: ['--served-model-name', 'tiny', '--max-num-queued-reqs', '0'], env: {}, key: null, cases: BUSY },
];

/** For the simulation: it serves what a model of either kind could, unless it is told which kind it has. */
export function simFlags({ name }: Scene): readonly string[] {
  return name === 'pooling' ? [] : ['--runner', 'generate'];
}
