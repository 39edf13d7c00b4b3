import { until } from '../../support/gateway.ts';
import { isWhole, post, type Answer } from '../traffic/post.ts';
import type { Death } from './deaths.ts';
import { type House, membersOf } from './house.ts';
import { newTraces, type Traces, tracesNow } from './traces.ts';

/** What went wrong, in words; none: all is well. */
export type Problems = readonly string[];

const CHAT = '/v1/chat/completions';
/** A start of a real engine on two cores, when the machine has other work. */
const AGAIN_MS = 240_000;

let asked = 0;

/** Never twice the same: a body at which engines died again and again is not sent on. */
export function chat(house: House, tokens: number, stream = false): Promise<Answer> {
  const messages = [{ role: 'user', content: `Hello for the ${++asked}th time` }];
  return post(house.url, CHAT, { model: 'tiny', messages, max_tokens: tokens, stream, ignore_eos: true });
}

/** An engine dies in one way: who hears of it when, what is said, and that it serves again. */
export async function death(
  house: House,
  { name, cause, class: expected, says, outMs }: Death,
  say: (line: string) => void,
): Promise<Problems> {
  const problems: string[] = [];
  const before = await house.worker();
  const running = chat(house, 900, true);
  const failedAt = before.last_failure?.at ?? null;
  await new Promise((resolve) => setTimeout(resolve, 300));
  const began = Date.now();
  const takeBack = cause(await house.engine(), house.memory);
  try {
    await until(async () => (await house.worker()).state !== 'ready', `no call is sent to it after ${name}`, outMs);
    const outAfter = Date.now() - began;
    const call = await chat(house, 2);
    if (call.status !== 200 && call.status !== 503)
      problems.push(`a call right after ${name} got ${call.status}: ${call.text.slice(0, 300)}`);
    await until(async () => ((await house.worker()).last_failure?.at ?? null) !== failedAt, `a failure after ${name}`, 90_000);
    await until(async () => (await house.worker()).state === 'ready', `ready again after ${name}`, AGAIN_MS);
    const readyAfter = Date.now() - began;
    const failure = (await house.worker()).last_failure!;
    say(`  ${name}: out after ${seconds(outAfter)}, ready again after ${seconds(readyAfter)}: ${failure.class}: ${failure.message}`);
    if (!expected.includes(failure.class))
      problems.push(`${name} is called ${failure.class} and not ${expected.join(' or ')}: ${failure.message}`);
    if (!says.test(failure.message)) problems.push(`${name} is told as “${failure.message}”`);
  } finally {
    takeBack();
  }
  const after = await chat(house, 4);
  if (!isWhole(after, CHAT, false)) problems.push(`a chat after ${name} got ${after.status}: ${after.text.slice(0, 300)}`);
  const stream = await running;
  if (stream.status === 200 && !stream.text.includes('"error"') && !isWhole(stream, CHAT, true))
    problems.push(`a stream that ran at ${name} ended without a word: ${stream.text.slice(-200)}`);
  return problems;
}

/** Headgate is killed, and started again: the same engine goes on. */
export async function crashOfHeadgate(house: House, say: (line: string) => void): Promise<Problems> {
  const before = (await house.worker()).pid;
  await house.crash();
  const began = Date.now();
  await house.serve();
  const { pid, restarts } = await house.worker();
  say(`  Headgate killed: ready again ${seconds(Date.now() - began)} after its start, engine ${before === pid ? 'the same' : 'another'}`);
  const call = await chat(house, 4);
  return [
    ...(before === pid && restarts === 0 ? [] : [`the engine was ${before} and is ${pid}, after ${restarts} restarts`]),
    ...(isWhole(call, CHAT, false) ? [] : [`a chat after it got ${call.status}: ${call.text.slice(0, 300)}`]),
  ];
}

/** Headgate is killed, and then its engine, while nobody looks: what that leaves goes with the next start. */
export async function bothDead(house: House, before: Traces, say: (line: string) => void): Promise<Problems> {
  const { pid } = await house.worker();
  const { core, worker } = await house.engine();
  await house.crash();
  for (const one of [worker, core, pid ?? 0]) if (one > 0) process.kill(one, 'SIGKILL');
  await until(() => membersOf(pid ?? 0).length === 0, 'the engine gone', 30_000);
  const orphaned = newTraces(before, tracesNow(house.folder));
  await house.serve();
  const left = orphaned.filter((path) => tracesNow(house.folder).has(path) && !path.startsWith(house.folder));
  say(`  Headgate and then its engine killed: ${orphaned.length} things left, ${left.length} after the next start`);
  const call = await chat(house, 4);
  return [
    ...left.map((path) => `${path} stays`),
    ...(isWhole(call, CHAT, false) ? [] : [`a chat after it got ${call.status}: ${call.text.slice(0, 300)}`]),
  ];
}

/** Headgate is told to stop while streams run that cannot have ended: they end whole, and then it. */
export async function stopUnderStreams(house: House, before: Traces, say: (line: string) => void): Promise<Problems> {
  const problems: string[] = [];
  const { pid } = await house.worker();
  let ended = 0;
  const streams = Array.from({ length: 6 }, async () => {
    const answer = await chat(house, 900, true);
    ended += 1;
    return answer;
  });
  await until(async () => (await house.worker()).requests_running + (await house.worker()).in_flight >= 6, 'six streams under way', 20_000);
  const { process: headgate } = house;
  const endedBefore = ended;
  headgate.child.kill('SIGTERM');
  const began = Date.now();
  const answers = await Promise.all(streams);
  const streamsAfter = Date.now() - began;
  const exit = await headgate.exited;
  const whole = answers.filter((answer) => isWhole(answer, CHAT, true) && answer.text.includes('"finish_reason":"length"')).length;
  say(
    `  Headgate told to stop under ${6 - endedBefore} streams: ${whole} whole, the last after ${seconds(streamsAfter)}; exit ${exit} after ${seconds(Date.now() - began)}`,
  );
  if (endedBefore > 0) problems.push(`${endedBefore} streams had ended before it was told to stop: nothing is shown`);
  if (whole !== 6) problems.push(`only ${whole} of 6 streams were whole: ${answers.map(({ text }) => text.slice(-120)).join(' | ')}`);
  if (exit !== 0) problems.push(`it ended with ${exit}`);
  problems.push(...(pid === null ? [] : membersOf(pid)).map(({ name }) => `${name} still runs`));
  problems.push(...newTraces(before, tracesNow(house.folder)).map((path) => `${path} stays`));
  return problems;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
