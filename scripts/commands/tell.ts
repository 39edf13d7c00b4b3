import type { WorkerTold, WorkerVerb } from '../../gateway/http/pages/admin-answers.ts';
import { ask, failed } from './asking/ask.ts';
import { readCommandLine } from './line/command-line.ts';

/** `headgate drain WORKER`, `headgate undrain WORKER` and `headgate restart WORKER [--reset]` */
export async function tellWorker(argv: readonly string[], verb: WorkerVerb): Promise<number> {
  const line = readCommandLine(verb, argv, {
    words: ['WORKER'],
    tolerant: 'aloud',
    ...(verb === 'restart' ? { own: { reset: 'switch' } } : {}),
  });
  if (line.kind === 'ended') return line.exitCode;
  const path = `/admin/workers/${encodeURIComponent(line.positionals[0]!)}/${verb}${line.own.has('reset') ? '?reset=true' : ''}`;
  const answer = await ask<WorkerTold>(line.loaded, 'POST', path, 'admin');
  if (answer.kind === 'failed') return failed(answer.message);
  process.stdout.write(`${answer.body.message}\n`);
  return 0;
}
