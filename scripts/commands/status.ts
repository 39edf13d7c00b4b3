import { setTimeout as delay } from 'node:timers/promises';
import type { LoadedSettings } from '../../gateway/config/load.ts';
import type { AdminStatus, Stats } from '../../gateway/http/pages/admin-answers.ts';
import { type Answer, ask, failed } from './asking/ask.ts';
import { readCommandLine } from './line/command-line.ts';
import { othersText } from './asking/find-gateway.ts';
import { CLEAR_SCREEN, isLiveTerminal } from '../report/terminal.ts';
import { statusText } from './live/status-text.ts';

const WATCH_MS = 1_000;

interface Report {
  readonly status: AdminStatus;
  readonly stats: Stats;
}

/** `headgate status`: asks the running gateway and prints what it says. With `--watch` again and again, also when there is none yet, or none for a while. */
export async function status(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('status', argv, { tolerant: 'aloud', own: { json: 'switch', watch: 'switch' } });
  if (line.kind === 'ended') return line.exitCode;
  const watch = line.own.has('watch');
  const clear = watch && isLiveTerminal() ? CLEAR_SCREEN : '';
  let isTold = false;
  for (;;) {
    const answer = await report(line.loaded);
    if (answer.kind === 'answered') {
      isTold = false;
      const { body } = answer;
      process.stdout.write(clear + (line.own.has('json') ? `${JSON.stringify(body, null, 2)}\n` : statusText(body.status, body.stats)));
    } else if (!watch || !answer.isAway) return failed(answer.message);
    else if (!isTold) {
      isTold = true;
      process.stdout.write(clear);
      process.stderr.write(`headgate: ${answer.message} Waiting for it.\n`);
    }
    if (!watch) {
      if (answer.kind === 'answered') process.stderr.write(othersText(answer.where));
      return 0;
    }
    // The clock's own timers do not keep a process alive.
    await delay(WATCH_MS);
  }
}

async function report(loaded: LoadedSettings): Promise<Answer<Report>> {
  const [state, stats] = await Promise.all([
    ask<AdminStatus>(loaded, 'GET', '/admin/status', 'admin'),
    ask<Stats>(loaded, 'GET', '/stats', 'api'),
  ]);
  if (state.kind === 'failed') return state;
  if (stats.kind === 'failed') return stats;
  return { kind: 'answered', body: { status: state.body, stats: stats.body }, where: stats.where };
}
