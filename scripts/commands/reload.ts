import type { Reloaded } from '../../gateway/http/pages/admin-answers.ts';
import { EXIT_INVALID } from '../../gateway/config/exit-codes.ts';
import { ask, failed } from './asking/ask.ts';
import { readCommandLine } from './line/command-line.ts';
import { othersText } from './asking/find-gateway.ts';

/** `headgate reload`: has the running gateway read its settings anew, and tells what came of it. What is wrong with them the gateway says. */
export async function reload(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('reload', argv, { tolerant: 'silently' });
  if (line.kind === 'ended') return line.exitCode;
  const answer = await ask<Reloaded>(line.loaded, 'POST', '/admin/reload', 'admin');
  if (answer.kind === 'failed') {
    failed(answer.message);
    return answer.code === 'invalid_settings' ? EXIT_INVALID : 1;
  }
  process.stdout.write(reloadedText(answer.body, answer.where.base));
  process.stderr.write(othersText(answer.where));
  return 0;
}

/** What a reload has brought, a line each. */
export function reloadedText({ changed, needs_restart: waiting }: Reloaded, base: string): string {
  const now = changed.filter((path) => !waiting.includes(path));
  const lines = [`The gateway on ${base} has read its settings anew.`];
  if (now.length > 0) lines.push(`in force from now on: ${now.join(', ')}`);
  if (waiting.length > 0) lines.push(`only after a restart: ${waiting.join(', ')}`);
  if (changed.length === 0) lines.push('nothing has changed');
  return `${lines.join('\n')}\n`;
}
