import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Pace } from '../../gateway/bundle/pace.ts';
import { ownNames } from '../../gateway/bundle/machine.ts';
import { privateTexts } from '../../gateway/bundle/settings-part.ts';
import { Veil } from '../../gateway/bundle/veil/veil.ts';
import { findAdminKey } from '../../gateway/config/admin-key.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { examine } from '../../supervisor/doctor/doctor.ts';
import { examineGateway, launchesNothing } from '../../supervisor/doctor/gateway.ts';
import { ask, type Answer, failed } from './asking/ask.ts';
import { othersText } from './asking/find-gateway.ts';
import { leftBehind } from './bundling/left-behind.ts';
import { isThere, save } from './bundling/save.ts';
import { seenHere } from './bundling/seen-here.ts';
import { cardsOf } from './cards.ts';
import { readCommandLine } from './line/command-line.ts';
import { outliveReaders } from './output.ts';

/** A gateway that is busy takes some seconds; one that hangs is not waited for. */
const LIMITS = { silenceMs: 12_000, totalMs: 30_000 };

type Loaded = Extract<ReturnType<typeof readCommandLine>, { kind: 'loaded' }>;
type Body = Readonly<Record<string, unknown>>;

/** `headgate bundle [-o FILE]`: one file for an issue, of the running gateway, or of what it has left behind. */
export async function bundle(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('bundle', argv, { tolerant: 'aloud', own: { o: 'value' } });
  if (line.kind === 'ended') return line.exitCode;
  const asked = line.own.get('o');
  const path = asked === '-' ? null : typeof asked === 'string' ? resolve(line.cwd, asked) : join(line.cwd, usualName());
  // Before anybody is put to work for it.
  if (path !== null && existsSync(path)) return failed(isThere(path));
  const alive = stayAlive();
  try {
    const made = await make(line);
    if (made.kind === 'failed') return failed(made.message);
    if (path === null) {
      outliveReaders();
      process.stdout.write(made.text);
    } else {
      const problem = await save(path, made.text);
      if (problem !== null) return failed(problem);
      process.stdout.write(`${path} (${sizeText(made.text)})\n`);
    }
    process.stderr.write(advice(made.text));
    return 0;
  } finally {
    alive.cancel();
  }
}

type Made = { readonly kind: 'made'; readonly text: string } | { readonly kind: 'failed'; readonly message: string };

async function make(line: Loaded): Promise<Made> {
  const { loaded, cwd, problems } = line;
  const pace = new Pace(systemClock);
  const found = findAdminKey(loaded.settings, cwd);
  const key = found === null || found.kind === 'none' ? [] : [{ kind: 'secret' as const, text: found.key }];
  const stateDir = resolve(cwd, loaded.settings.supervisor.state_dir);
  const own = [...key, ...ownNames(), { kind: 'path' as const, text: stateDir }];
  const veilWith = (mark: string) => Veil.over(privateTexts(loaded, process.env, own), () => pace.rest(), mark);
  const [answer, seen] = await Promise.all([
    ask<Body>(loaded, 'GET', '/admin/debug/bundle', 'admin', LIMITS),
    // Numbers of its own: what is made here cannot know those that the gateway gives.
    veilWith('c').then((veil) => seenHere(problems, () => doctor(line), systemClock, veil)),
  ]);
  if (answer.kind === 'answered') {
    process.stderr.write(othersText(answer.where));
    if (typeof answer.body === 'object' && answer.body !== null && 'headgate_bundle' in answer.body)
      return { kind: 'made', text: `${JSON.stringify(withOwn(answer.body, seen), null, 2)}\n` };
  } else if (answer.code === 'bundle_too_soon') return { kind: 'failed', message: answer.message };
  const why = whyNot(answer);
  process.stderr.write(
    `headgate: ${why}\nheadgate: the bundle is made of what is on record in ${stateDir}, without what only a gateway can say ("left_out").\n`,
  );
  const veil = await veilWith('');
  return { kind: 'made', text: await leftBehind({ loaded, stateDir, env: process.env, why, seen, clock: systemClock, veil, pace }) };
}

function whyNot(answer: Answer<Body>): string {
  return answer.kind === 'failed' ? answer.message : `What answers on ${answer.where.base} gives no bundle: it is an older Headgate.`;
}

/** Behind what says how things are. */
function withOwn({ headgate_bundle, generated_at, about, summary, left_out, ...parts }: Body, seen: unknown): Body {
  return { headgate_bundle, generated_at, about, summary, left_out, seen_here: seen, ...parts };
}

async function doctor({ loaded: { settings }, cwd }: Loaded) {
  if (launchesNothing(settings)) return examineGateway(settings, cwd);
  const { cards, env } = cardsOf(settings, process.env, cwd, false);
  return examine(settings, { cwd, env, clock: systemClock, cards });
}

function usualName(): string {
  return `headgate-bundle-${new Date(systemClock.wall()).toISOString().slice(0, 19).replaceAll(':', '-')}Z.json`;
}

function sizeText(text: string): string {
  return `${Math.ceil(Buffer.byteLength(text) / 1024)} KiB`;
}

/** Parts with sentences of others. */
const FREE_TEXT = ['engine_logs', 'gateway_log', 'kept_logs', 'history'];

/** What somebody is to do before it is sent, and what looks wrong. */
function advice(text: string): string {
  const parts = JSON.parse(text) as { readonly summary?: readonly string[] };
  const { summary } = parts;
  const free = FREE_TEXT.filter((name) => Object.hasOwn(parts, name)).map((name) => `"${name}", `);
  const said = (summary ?? []).map((sentence) => `  - ${sentence}\n`).join('');
  return `${said}headgate: look it over before you send it, above all ${free.join('')}and names of models: keys, addresses, paths and names of clients have been replaced, prompts and answers are not in it.\n`;
}
