import { describe, expect, test } from 'vitest';
import { explain } from '../../../supervisor/failure/explain.ts';
import { LogTail } from '../../../supervisor/failure/log-tail.ts';
import { absentNote, recordedLogs } from '../../gateway/openai/recordings.ts';

function quoted(log: string, phase?: 'serving'): { class: string; lastWords: string } {
  const tail = new LogTail({ maxLines: 10_000 });
  tail.push(log);
  const exit = { code: phase ? 0 : 1, signal: null };
  return explain({ exit, phase: phase ?? tail.phase, lines: tail.story(), livedMs: 30_000, hostOomKills: null, ended: false });
}

const ENGINE = (text: string) => `(EngineCore pid=9) ERROR 08-17 10:00:00 [core.py:1510] ${text}\n`;

describe('the quote of a death', () => {
  test('is the last line of its traceback and never a line of source, which may name an error that nobody has raised', () => {
    const log = [
      'EngineCore failed to start.',
      'Traceback (most recent call last):',
      '  File "/x/core.py", line 1, in run',
      '    raise RuntimeError("CUDA out of memory") if full else ValueError(text)',
      '          ^^^^^^^^^^^^',
      'ValueError: nobody has seen this before',
    ];
    expect(quoted(log.map(ENGINE).join(''))).toMatchObject({ class: 'engine-start', lastWords: 'ValueError: nobody has seen this before' });
  });

  test('is that of the last of several tracebacks of which one came of the other', () => {
    const log = [
      'Traceback (most recent call last):',
      '  File "/x/a.py", line 1, in a',
      "KeyError: 'lm_head'",
      '',
      'During handling of the above exception, another exception occurred:',
      '',
      'Traceback (most recent call last):',
      '  File "/x/b.py", line 2, in b',
      '    raise ValueError(key)',
      'ValueError: the model has no lm_head',
    ];
    expect(quoted(`${log.join('\n')}\n`).lastWords).toBe('ValueError: the model has no lm_head');
  });

  test('is that of the process which failed first, though others speak between its lines and after them', () => {
    const worker = (text: string) => `(Worker_TP1 pid=12) ERROR 08-17 10:00:00 [multiproc_executor.py:1] ${text}\n`;
    const log = [
      worker('WorkerProc hit an exception.'),
      worker('Traceback (most recent call last):'),
      worker('  File "/x/w.py", line 3, in w'),
      ENGINE('An ordinary word of another process'),
      worker('    raise OddError'),
      worker('my.own.OddError: the weights have three legs'),
      ENGINE('RuntimeError: Worker failed with error, see above'),
      worker('RuntimeError: cancelled'),
    ];
    expect(quoted(log.join('')).lastWords).toBe('my.own.OddError: the weights have three legs');
  });

  test('is what pydantic says in the line below its own', () => {
    const log = [
      'Traceback (most recent call last):',
      '  File "/x/a.py", line 1, in a',
      'pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig',
      '  Value error, It does not like Tuesdays. [type=value_error, input_value=1, input_type=int]',
      '    For further information visit https://errors.pydantic.dev/2.14/v/value_error',
    ];
    expect(quoted(`${log.join('\n')}\n`)).toMatchObject({ class: 'config', lastWords: 'It does not like Tuesdays.' });
  });

  test('is no warning of a good start', () => {
    const warned = 'WARNING 11-28 16:45:26 [system_utils.py:255] Found ulimit of 20000 and failed with error `OSError: [Errno 24]`\n';
    expect(quoted(`${warned}${ENGINE('The card is sulking.')}`).lastWords).toBe('The card is sulking.');
  });
});

const RECORDED: Readonly<Record<string, readonly [string, string]>> = {
  'start-awq-without-config.log': ['config', 'Cannot find the config file for awq'],
  'start-badarch.log': ['config', "Model architectures ['FancyNewForCausalLM'] are not supported for now."],
  'start-badmod.log': ['toolchain', "ModuleNotFoundError: No module named 'uvloop'"],
  'start-corrupt.log': ['model-fetch', 'OSError: It looks like the config file at'],
  'start-kv-larger-than-memory.log': ['engine-start', 'ValueError: Available memory on node 0 (9.64/14.71 GiB) on kv cache allocation'],
  'start-kv-zero.log': ['oom-kv-zero', 'ValueError: No available memory for the cache blocks.'],
  'start-nopath.log': ['model-fetch', 'huggingface_hub.errors.HFValidationError: Repo id must be'],
  'start-porttaken.log': ['port', 'OSError: [Errno 98] Address already in use'],
  'start-sleepcpu.log': ['config', 'Sleep mode is not supported on current platform.'],
  'start-toolong.log': ['config', 'User-specified max_model_len (99999) is greater than the derived max_model_len'],
  'kv-no-estimate-text.log': ['kv-too-small', 'ValueError: To serve at least one request'],
  'death-kill9-worker.log': ['engine-death', 'Worker proc VllmWorker-0 died unexpectedly (exit code: None)'],
  'death-kill9-enginecore.log': ['engine-death', 'vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.'],
  'death-tp2-kill9-worker.log': ['oom-host', 'Worker proc VllmWorker-1 died unexpectedly (exit code: -9)'],
};

const logs = recordedLogs();
describe.skipIf(logs.size === 0)(`of a real vLLM${absentNote('0.32.0/logs')}`, () => {
  test.each(Object.entries(RECORDED))('%s', (name, [kind, words]) => {
    const told = quoted(logs.get(name)!, name.startsWith('death') ? 'serving' : undefined);
    expect(told.class).toBe(kind);
    expect(told.lastWords.slice(0, words.length)).toBe(words);
  });
});
