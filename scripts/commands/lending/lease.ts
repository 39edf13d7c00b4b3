import { setTimeout as delay } from 'node:timers/promises';
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import type { LeaseEnded } from '../../../gateway/http/pages/admin-answers.ts';
import { ask, failed } from '../asking/ask.ts';
import { othersText } from '../asking/find-gateway.ts';
import { Hold, type Loss } from './hold.ts';
import { keep } from './keep.ts';
import { prepare } from './prepare.ts';
import { whyNoProgram } from './find-program.ts';
import { notStarted, startProgram } from './program.ts';
import { readRequest, splitAtDashes, wrongUsage } from './request.ts';
import { readCommandLine } from '../line/command-line.ts';
import { timeOfDay } from '../live/lease-text.ts';

const OWN = { minutes: 'value', gpu: 'value', holder: 'value', end: 'switch' } as const;
const STRAY = '; the program that is to have the card goes after --';
const CANCELLED = 130;
/** How often it is tried to give the card back; it goes back by itself soon after. */
const GIVE_BACK_TRIES = 5;
const AGAIN_MS = 2_000;

/** `headgate lease --minutes N [--gpu ID] [-- COMMAND]`: has a card for a program, or for whoever sits there; `--end` gives one back. */
export async function lease(argv: readonly string[]): Promise<number> {
  const { flags, program } = splitAtDashes(argv);
  const line = readCommandLine('lease', flags, { tolerant: 'aloud', own: OWN, stray: STRAY });
  if (line.kind === 'ended') return line.exitCode;
  if (line.own.has('end')) {
    const others = ['minutes', 'holder'].find((name) => line.own.has(name)) ?? (program.length > 0 ? 'COMMAND' : null);
    return others === null ? await end(line.loaded, line.own.get('gpu')) : wrongUsage(`--end gives a card back; it takes no ${others}`);
  }
  if (argv.includes('--') && program.length === 0) return wrongUsage('COMMAND is missing after --');
  const request = readRequest(line.own, program.length > 0 ? basename(program[0]!) : userName());
  if (typeof request === 'string') return wrongUsage(request);

  // Nobody makes way for what cannot be started.
  const none = program.length > 0 ? whyNoProgram(program[0]!, process.env['PATH']) : null;
  if (none !== null) {
    process.stderr.write(notStarted(program[0]!, none.why));
    return none.exitCode;
  }

  const hold = new Hold(line.loaded, request);
  const asked = await hold.ask();
  if (asked.kind === 'failed') return failed(asked.message);
  process.stderr.write(othersText(asked.where));
  const prepared = await prepare(hold, asked.body);
  if (prepared.kind !== 'lent') {
    await giveBack(hold);
    if (prepared.kind === 'failed') return failed(prepared.message);
    say('cancelled; the workers come back');
    return CANCELLED;
  }
  hold.begin(prepared.lease);
  const { until } = prepared.lease;
  say(`GPU ${prepared.lease.gpu} is lent to ${request.holder} until ${timeOfDay(until)}. ${prepared.lease.message.replace(/\.$/, '')}`);
  const code =
    program.length > 0
      ? await runOn(hold, program, { CUDA_VISIBLE_DEVICES: prepared.lease.uuid, HEADGATE_LEASE_UNTIL: until })
      : await waitForTheUser(hold);
  await giveBack(hold);
  return code;
}

async function runOn(hold: Hold, program: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const running = startProgram(program, env);
  const kept = keep(hold, say, (loss) => {
    say(`${whyOver(loss)}; ${basename(program[0]!)} is told to end`);
    running.end();
  });
  const code = await running.ended;
  kept.stop();
  await kept.done;
  return code;
}

/** Enter, an interrupt, or the end of the time. */
async function waitForTheUser(hold: Hold): Promise<number> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  // What is piped in is nobody's Enter.
  const isTyped = process.stdin.isTTY === true;
  if (isTyped) process.stdin.once('data', stop).resume();
  say(`${isTyped ? 'Enter or Ctrl-C gives' : 'an interrupt gives'} it back`);
  const kept = keep(hold, say, (loss) => {
    say(whyOver(loss));
    resolve();
  });
  await ended;
  kept.stop();
  await kept.done;
  process.stdin.pause();
  return 0;
}

function whyOver(loss: Loss | 'time'): string {
  return loss === 'time' ? 'the time is over' : `the card is not lent any more: ${loss.message.replace(/\.$/, '')}`;
}

async function giveBack(hold: Hold): Promise<void> {
  for (let attempt = 1; attempt <= GIVE_BACK_TRIES; attempt += 1) {
    const answer = await hold.giveBack();
    // It may be somebody else's by now, or nobody's: both are as good.
    if (answer.kind === 'answered' || !answer.isAway) return;
    if (attempt < GIVE_BACK_TRIES) await delay(AGAIN_MS);
  }
  say('the gateway could not be told that the card is free; it goes back by itself within 30 s of its being heard of last');
}

async function end(loaded: LoadedSettings, gpu: string | true | undefined): Promise<number> {
  const body = { end: true, ...(typeof gpu === 'string' ? { gpu } : {}) };
  const answer = await ask<LeaseEnded>(loaded, 'POST', '/admin/gpu/lease', 'admin', undefined, body);
  if (answer.kind === 'failed') return failed(answer.message);
  process.stdout.write(`${answer.body.told}\n`);
  return 0;
}

function say(line: string): void {
  process.stderr.write(`headgate lease: ${line}.\n`);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user without a name.
    return 'somebody';
  }
}
