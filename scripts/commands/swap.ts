import { setTimeout as delay } from 'node:timers/promises';
import type { AdminStatus, ModelTold } from '../../gateway/http/pages/admin-answers.ts';
import { ask, failed } from './asking/ask.ts';
import { readCommandLine } from './line/command-line.ts';
import { progressText } from './live/progress-text.ts';
import { CLEAR_LINE, isLiveTerminal } from '../report/terminal.ts';

const LOOK_MS = 500;

/** `headgate swap MODEL`: has the running gateway load a model, and waits until it is ready. */
export async function swap(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('swap', argv, { words: ['MODEL'], tolerant: 'aloud' });
  if (line.kind === 'ended') return line.exitCode;
  const answer = await ask<ModelTold>(line.loaded, 'POST', `/admin/models/${encodeURIComponent(line.positionals[0]!)}/load`, 'admin');
  if (answer.kind === 'failed') return failed(answer.message);
  const { model } = answer.body;
  const live = isLiveTerminal();
  process.stdout.write(`${answer.body.message}\n`);
  for (;;) {
    // First of all the gateway has to hear of it. The clock's own timers do not keep a process alive.
    await delay(LOOK_MS);
    const status = await ask<AdminStatus>(line.loaded, 'GET', '/admin/status', 'admin');
    if (status.kind === 'failed') return failed(status.message);
    const entry = status.body.models.find((other) => other.id === model);
    if (live) process.stdout.write(CLEAR_LINE);
    if (entry?.state === 'ready') {
      process.stdout.write(`${model} is ready.\n`);
      return 0;
    }
    if (!entry || entry.state === 'failed') return failed(whyNot(status.body, model));
    if (live) process.stdout.write(progressText(status.body, entry));
  }
}

function whyNot(status: AdminStatus, model: string): string {
  const reason = status.models.find((other) => other.id === model)?.reason ?? null;
  return reason === null ? `${model} could not be loaded; "headgate status" may say more.` : `${model} could not be loaded: ${reason}`;
}
