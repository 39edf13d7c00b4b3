import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { columns } from '../../gateway/core/log/columns.ts';
import type { UsageReport } from '../../gateway/usage/usage-report.ts';
import { ask, failed } from './asking/ask.ts';
import { readCommandLine } from './line/command-line.ts';
import { othersText } from './asking/find-gateway.ts';

/** `headgate usage`: who used what of the running gateway, by key and model. */
export async function usage(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('usage', argv, { tolerant: 'aloud', own: { key: 'value', since: 'value', json: 'switch' } });
  if (line.kind === 'ended') return line.exitCode;
  const query = new URLSearchParams();
  for (const name of ['key', 'since']) {
    const value = line.own.get(name);
    if (typeof value === 'string') query.set(name, value);
  }
  const answer = await ask<UsageReport>(line.loaded, 'GET', `/admin/usage?${query}`, 'admin');
  if (answer.kind === 'failed') {
    failed(answer.message);
    return answer.code === 'invalid_value' ? EXIT_USAGE : 1;
  }
  process.stdout.write(line.own.has('json') ? `${JSON.stringify(answer.body)}\n` : usageText(answer.body));
  if (answer.body.problem !== null) process.stderr.write(`headgate: ${answer.body.problem}\n`);
  process.stderr.write(othersText(answer.where));
  return 0;
}

/** A table for a terminal. */
export function usageText({ since, usage: sums }: UsageReport): string {
  const from = since.replace('T', ' ').replace(':00.000Z', ' UTC');
  if (sums.length === 0) return `Nothing was used since ${from}.\n`;
  const cells = sums.map((sum) => [
    sum.key,
    sum.model,
    ...[sum.requests, sum.prompt_tokens, sum.cached_tokens, sum.completion_tokens, sum.prompt_tokens + sum.completion_tokens].map(String),
  ]);
  const head = ['KEY', 'MODEL', 'REQUESTS', 'PROMPT', 'OF IT CACHED', 'COMPLETION', 'TOKENS'];
  return `Since ${from}\n${columns([head, ...cells]).join('\n')}\n`;
}
