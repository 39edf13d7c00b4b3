import { setTimeout as delay } from 'node:timers/promises';
import type { CanaryStatus } from '../../gateway/canary/status.ts';
import { EXIT_INVALID, EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import type { LoadedSettings } from '../../gateway/config/load.ts';
import { askedCriteria } from '../criteria/read-criteria.ts';
import { Shown } from '../report/shown.ts';
import { type Answer, ask, failed } from './asking/ask.ts';
import { othersText } from './asking/find-gateway.ts';
import { readCommandLine } from './line/command-line.ts';
import { canaryLine, canaryText } from './live/canary-text.ts';

const ACTIONS = ['start', 'status', 'abort', 'promote'] as const;
const LOOK_MS = 1_000;
/** So many questions in a row without an answer: the gateway has gone, and its canary with it. */
const MOST_MISSED = 30;
const OWN = { steps: 'value', 'step-time': 'value', preset: 'value', criteria: 'value', detach: 'switch', json: 'switch' } as const;

/** `headgate canary`: tries a group of workers of the running gateway with a share of the calls, and tells what comes of it. */
export async function canary(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('canary', argv, { tolerant: 'silently', own: OWN, words: ['start|status|abort|promote'], optional: 1 });
  if (line.kind === 'ended') return line.exitCode;
  const [action = '', group] = line.positionals;
  const { own } = line;
  if (!(ACTIONS as readonly string[]).includes(action) || (group !== undefined && action !== 'start'))
    return usage(`a canary can be told to ${ACTIONS.join(', ')}, and only a start has a group`);
  const isJson = own.has('json');
  const order: Order = action === 'start' ? startOrder(own, group, line.cwd) : { kind: 'order', body: { action } };
  if (order.kind === 'usage') return usage(order.problem);
  if (order.kind === 'invalid') {
    process.stderr.write(`${order.problems.join('\n')}\n`);
    return EXIT_INVALID;
  }
  const answer = await askCanary(line.loaded, order.body);
  if (answer.kind === 'failed') {
    failed(answer.message);
    return answer.code === 'invalid_canary' ? EXIT_USAGE : 1;
  }
  process.stderr.write(othersText(answer.where));
  const status = action === 'start' && !own.has('detach') ? await follow(line.loaded, answer.body) : answer.body;
  if (status === null) return failed('The gateway does not answer any more; when it has ended, so has its canary.');
  process.stdout.write(isJson ? `${JSON.stringify(status)}\n` : action === 'start' ? `${status.message}\n` : canaryText(status));
  return action === 'start' && status.state !== 'promoted' && status.state !== 'running' ? 1 : 0;
}

type Order =
  | { readonly kind: 'order'; readonly body: object }
  | { readonly kind: 'usage'; readonly problem: string }
  /** The file of criteria is not valid. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

function startOrder(own: ReadonlyMap<string, string | true>, group: string | undefined, cwd: string): Order {
  const text = (name: keyof typeof OWN): string | null => {
    const value = own.get(name);
    return typeof value === 'string' ? value : null;
  };
  const asked = askedCriteria(text('preset'), text('criteria'), cwd);
  if (!('criteria' in asked))
    return text('criteria') === null ? { kind: 'usage', problem: asked.join('; ') } : { kind: 'invalid', problems: asked };
  const { limits, canary: terms } = asked.criteria;
  const steps = text('steps')?.split(',').map(Number);
  const time = text('step-time');
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(time ?? '60s') ?? [];
  if (number === undefined) return { kind: 'usage', problem: `--step-time ${time} is no time; write for instance 60s, 5m or 1h` };
  const seconds = Number(number) * { s: 1, m: 60, h: 3_600 }[unit as 's' | 'm' | 'h'];
  const criteria = { limits, canary: terms };
  return { kind: 'order', body: { action: 'start', ...(group && { group }), ...(steps && { steps }), step_seconds: seconds, criteria } };
}

/** Shows it until it has ended. null: the gateway has gone. An interrupt ends the showing, and not the canary. */
async function follow(loaded: LoadedSettings, first: CanaryStatus): Promise<CanaryStatus | null> {
  let status = first;
  let told = 0;
  let missed = 0;
  const shown = new Shown(() => canaryLine(status));
  const interrupt = (): void => {
    shown.end();
    process.stderr.write('headgate canary: it goes on; "headgate canary status" shows it, "headgate canary abort" ends it.\n');
    process.exit(130);
  };
  process.on('SIGINT', interrupt);
  try {
    while (missed < MOST_MISSED) {
      // How it ended is said on standard output.
      const news = status.history.slice(told, status.state === 'running' ? undefined : -1);
      for (const { at, message } of news) shown.say(`${at.slice(11, 19)} UTC  ${message}`);
      told = status.history.length;
      if (status.state !== 'running') return status;
      await delay(LOOK_MS);
      const answer = await askCanary(loaded, null);
      missed = answer.kind === 'answered' ? 0 : missed + 1;
      if (answer.kind === 'answered') status = answer.body;
    }
    return null;
  } finally {
    process.off('SIGINT', interrupt);
    shown.end();
  }
}

function askCanary(loaded: LoadedSettings, order: object | null): Promise<Answer<CanaryStatus>> {
  return ask<CanaryStatus>(loaded, order === null ? 'GET' : 'POST', '/admin/canary', 'admin', undefined, order);
}

function usage(problem: string): number {
  process.stderr.write(`headgate: ${problem}\n"headgate help canary" tells its usage.\n`);
  return EXIT_USAGE;
}
