import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { explain } from '../../../supervisor/failure/explain.ts';
import { LogTail } from '../../../supervisor/failure/log-tail.ts';
import type { Exit, FailurePhase, FirstGone } from '../../../supervisor/failure/row.ts';

/** What vLLM 0.32 wrote on two CPU cores at good and bad starts and at its deaths; frames of tracebacks and lists of routes are cut. */
const FOLDER = new URL('vllm-logs/', import.meta.url);

interface Case {
  readonly log: string;
  /** 1 unless said otherwise. */
  readonly exit?: Exit;
  readonly first?: FirstGone;
  /** That which the log tells unless said otherwise. */
  readonly phase?: FailurePhase;
  readonly class: string;
  readonly retry: string;
  /** How its last words begin; '' where nobody spoke of a cause. */
  readonly quote: string;
  readonly says: RegExp;
  readonly advises: RegExp;
}

const CLEAN: Exit = { code: 0, signal: null };
const KILL: Exit = { code: null, signal: 'SIGKILL' };
const killed = { class: 'killed', retry: 'backoff', quote: '', phase: 'serving', advises: /who sends SIGKILL/ } as const;
const stopped = {
  class: 'stopped',
  retry: 'backoff',
  quote: '',
  phase: 'serving',
  exit: CLEAN,
  says: /told to stop from outside/,
} as const;

const CASES: readonly Case[] = [
  {
    log: 'death-kill9-enginecore',
    ...killed,
    exit: CLEAN,
    first: { name: 'VLLM::EngineCor', exit: KILL },
    says: /^Its process VLLM::EngineCore was killed/,
  },
  {
    log: 'death-kill9-enginecore',
    ...killed,
    exit: CLEAN,
    first: { name: 'VLLM::EngineCor', exit: null },
    says: /^Its process VLLM::EngineCore was gone without a word: killed .* or crashed .*\(It was gone first while serving/,
  },
  {
    ...{ log: 'death-kill9-worker', ...killed, exit: CLEAN, first: { name: 'VLLM::Worker', exit: KILL } },
    ...{ quote: '', says: /^Its process VLLM::Worker was killed .*gone first, ended by SIGKILL, while serving/ },
  },
  { log: 'death-tp2-kill9-worker', ...killed, exit: CLEAN, quote: '', says: /killed from outside/ },
  { log: 'death-kill9-apiserver', ...killed, exit: KILL, says: /^The engine was killed .*ended by SIGKILL while serving/ },
  {
    ...{
      log: 'death-kill9-worker',
      exit: CLEAN,
      first: { name: 'VLLM::Worker', exit: { code: null, signal: 'SIGSEGV' } },
      phase: 'serving',
    },
    ...{ class: 'crash', retry: 'backoff', quote: '', says: /VLLM::Worker crashed/, advises: /Xid/ },
  },
  {
    // Nobody saw who was gone first.
    ...{ log: 'death-kill9-enginecore', exit: CLEAN, phase: 'serving', class: 'engine-death', retry: 'backoff' },
    ...{
      quote: 'vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue',
      says: /behind the API server died/,
      advises: /log file/,
    },
  },
  { log: 'death-sigterm-apiserver', ...stopped, advises: /headgate drain/ },
  { log: 'death-stop-enginecore', ...stopped, advises: /SIGTERM/ },
  {
    ...{ log: 'start-good', exit: CLEAN, phase: 'serving', class: 'unknown', retry: 'backoff' },
    ...{ quote: '', says: /ended by itself/, advises: /log file/ },
  },
  {
    ...{ log: 'kv-no-estimate-text', phase: 'profile', class: 'kv-too-small', retry: 'relax' },
    ...{ quote: 'ValueError: To serve at least one request', says: /8192 tokens does not fit/, advises: /max_model_len/ },
  },
  {
    ...{ log: 'start-awq-without-config', class: 'config', retry: 'never', quote: 'Cannot find the config file for awq' },
    ...{ says: /quantization that is set \(awq\)/, advises: /Leave quantization out/ },
  },
  {
    ...{ log: 'start-badarch', class: 'config', retry: 'never', quote: "Model architectures ['FancyNewForCausalLM'] are not supported" },
    ...{ says: /does not know the model’s architecture/, advises: /Update vLLM/ },
  },
  {
    ...{ log: 'start-badchoice', exit: { code: 2, signal: null }, class: 'config', retry: 'never' },
    ...{ quote: 'vllm serve: error: argument --kv-cache-dtype: invalid choice', says: /command line/, advises: /correct or remove/ },
  },
  {
    ...{ log: 'start-badmod', class: 'toolchain', retry: 'never', quote: "ModuleNotFoundError: No module named 'uvloop'" },
    ...{ says: /uvloop is missing/, advises: /Install vLLM anew/ },
  },
  {
    ...{ log: 'start-corrupt', class: 'model-fetch', retry: 'never', quote: 'OSError: It looks like the config file at' },
    ...{ says: /damaged or not whole/, advises: /fetched again/ },
  },
  {
    ...{ log: 'start-kv-zero', class: 'oom-kv-zero', retry: 'relax', quote: 'ValueError: No available memory for the cache blocks' },
    ...{ says: /no room/, advises: /max_num_seqs/ },
  },
  {
    ...{ log: 'start-no-memory-ulimit-v', class: 'oom-host', retry: 'backoff', quote: 'RuntimeError: [enforce fail at alloc_cpu' },
    ...{ says: /no main memory left/, advises: /more main memory/ },
  },
  {
    ...{ log: 'start-nopath', class: 'model-fetch', retry: 'never', quote: 'huggingface_hub.errors.HFValidationError: Repo id must' },
    ...{ says: /\/models\/nosuch is neither a folder/, advises: /models\[\]\.source/ },
  },
  {
    ...{ log: 'start-porttaken', class: 'port', retry: 'next_port', quote: 'OSError: [Errno 98] Address already in use' },
    ...{ says: /port was taken/, advises: /port_range/ },
  },
  {
    ...{ log: 'start-sleepcpu', class: 'config', retry: 'never', quote: 'Sleep mode is not supported on current platform' },
    ...{ says: /cannot put a model to sleep/, advises: /cold/ },
  },
  {
    ...{ log: 'start-toolong', class: 'config', retry: 'never', quote: 'User-specified max_model_len (99999) is greater' },
    ...{ says: /99999 tokens, but for 2048/, advises: /Lower max_model_len/ },
  },
  {
    ...{ log: 'start-kv-larger-than-memory', class: 'config', retry: 'never' },
    ...{ quote: 'ValueError: Available memory on node 0', says: /1000\.0 GiB is asked for/, advises: /VLLM_CPU_KVCACHE_SPACE/ },
  },
  {
    ...{ log: 'start-bad-number-in-environment', class: 'config', retry: 'never', quote: 'invalid literal for int() with base 10' },
    ...{ says: /expected a number and got “abc”/, advises: /VLLM_…/ },
  },
  {
    ...{ log: 'start-bad-variable', class: 'config', retry: 'never', quote: 'ValueError: invalid literal for int()' },
    ...{ says: /expected a number and got “soon”/, advises: /VLLM_…/ },
  },
  {
    ...{ log: 'start-bad-log-level', class: 'config', retry: 'never', quote: "ValueError: Unknown level: 'LOUD'" },
    ...{ says: /VLLM_LOGGING_LEVEL .*“LOUD”/, advises: /DEBUG, INFO/ },
  },
  {
    ...{ log: 'start-needs-remote-code', class: 'config', retry: 'never', quote: 'The repository /models/remote contains custom code' },
    ...{ says: /code of its own/, advises: /trust_remote_code: true/ },
  },
  {
    ...{ log: 'start-unknown-model-type', class: 'config', retry: 'never', quote: 'The checkpoint you are trying to load has model type' },
    ...{ says: /does not know the model’s architecture \(qwen99\)/, advises: /Update vLLM and transformers/ },
  },
];

describe('a vLLM’s own log', () => {
  test.each(CASES)('$log is told as $class', (one) => {
    const tail = new LogTail();
    tail.push(readFileSync(new URL(`${one.log}.log`, FOLDER)));
    const exit = one.exit ?? { code: 1, signal: null };
    const phase = one.phase ?? tail.phase;
    const lines = tail.story();
    const failure = explain({ exit, first: one.first ?? null, phase, lines, livedMs: 30_000, hostOomKills: 0, ended: false });
    expect({ class: failure.class, retry: failure.retry, quote: failure.lastWords.slice(0, one.quote.length || 1000) }).toEqual({
      ...{ class: one.class, retry: one.retry, quote: one.quote },
    });
    expect(failure.message).toMatch(one.says);
    expect(failure.advice).toMatch(one.advises);
    // Neither a line of source nor one that vLLM itself calls no error.
    expect(failure.lastWords).not.toMatch(/^(?:INFO|DEBUG|WARNING)\b|^\s*(?:raise|return) |\[Errno 24\]/);
  });

  test('that lies here is in the table', () => {
    const told = new Set(CASES.map(({ log }) => `${log}.log`));
    expect(readdirSync(FOLDER).filter((name) => !told.has(name))).toEqual([]);
  });
});
