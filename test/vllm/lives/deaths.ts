import type { EnginePart } from './house.ts';
import { type MemoryGroup, takeMemory } from './memory-group.ts';

/** A way in which an engine's life ends, and what is to be said of it. */
export interface Death {
  readonly name: string;
  /** Does it. Returns what has to be taken back afterwards. @throws where this machine cannot */
  readonly cause: (engine: Readonly<Record<EnginePart, number>>, group: MemoryGroup | null) => () => void;
  readonly class: readonly string[];
  /** The sentence names who died, and of what. */
  readonly says: RegExp;
  /** How long until no new call is sent to it, at most. */
  readonly outMs: number;
}

const SOON_MS = 15_000;
const nothing = (): void => {};

function signalled(part: EnginePart, signal: NodeJS.Signals, expected: Pick<Death, 'class' | 'says'>): Death {
  const cause: Death['cause'] = (engine) => {
    if (engine[part] === 0) throw new Error(`the engine has no ${part} process`);
    process.kill(engine[part], signal);
    return nothing;
  };
  return { name: `${signal} of the ${part}`, cause, ...expected, outMs: SOON_MS };
}

/** The kernel kills it for want of memory: its group is given hardly more than it holds, and then somebody else in it takes some. */
const outOfMemory: Death = {
  name: 'the core killed by the kernel for want of memory',
  cause(_engine, group) {
    if (group === null) throw new Error('memory cgroups of version 1 cannot be made here');
    return takeMemory(group);
  },
  class: ['oom-host'],
  says: /VLLM::EngineCor|VLLM::Worker/,
  outMs: 60_000,
};

/** Every way, at most four counted as crashes in a row: the fifth within ten minutes is a crash loop. */
export const DEATHS: readonly (readonly Death[])[] = [
  [
    signalled('core', 'SIGKILL', { class: ['killed'], says: /VLLM::EngineCor was (?:killed from outside|gone without a word)/ }),
    signalled('worker', 'SIGKILL', { class: ['killed'], says: /VLLM::Worker\S* was (?:killed from outside|gone without a word)/ }),
    signalled('server', 'SIGKILL', { class: ['killed'], says: /engine was killed from outside/ }),
    signalled('server', 'SIGTERM', { class: ['stopped'], says: /told to stop|stopped/i }),
    signalled('core', 'SIGTERM', { class: ['stopped'], says: /told to stop|stopped/i }),
  ],
  [
    // Where its parent is quicker than we are, nobody can tell this from a kill.
    signalled('core', 'SIGSEGV', { class: ['crash', 'killed'], says: /VLLM::EngineCor (?:crashed|was gone without a word)/ }),
    signalled('worker', 'SIGABRT', { class: ['crash'], says: /VLLM::Worker\S* crashed/ }),
    { ...signalled('core', 'SIGSTOP', { class: ['stalled'], says: /./ }), outMs: 40_000 },
    { ...signalled('server', 'SIGSTOP', { class: ['stalled'], says: /./ }), outMs: 40_000 },
  ],
  [outOfMemory],
];
