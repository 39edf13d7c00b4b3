import { describe, expect, test } from 'vitest';
import { explain } from '../../../supervisor/failure/explain.ts';
import { LogTail } from '../../../supervisor/failure/log-tail.ts';

function quoted(log: string, phase?: 'serving'): { class: string; lastWords: string } {
  const tail = new LogTail({ maxLines: 10_000 });
  tail.push(log);
  const exit = { code: phase ? 0 : 1, signal: null };
  return explain({ exit, phase: phase ?? tail.phase, lines: tail.story(), livedMs: 30_000, hostOomKills: null, ended: false, first: null });
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
