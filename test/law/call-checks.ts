import { expect } from 'vitest';
import { DONE_EVENT } from '../support/fake-worker.ts';
import type { Life, World } from './call-world.ts';

const KEEP_ALIVE = ': keep-alive\n\n';
const ERROR_EVENT =
  /data: \{"error":\{"message":"[^"]+","type":"server_error|data: \{"error":\{"message":"[^"]+","type":"service_unavailable_error"/;

/** What must hold of one call when everything has settled. */
export function checkLife(life: Life, world: World): void {
  const { call, client } = life;
  const at = (what: string): string => `${call.id}: ${what}`;
  expect(client.reply, at('a reply')).not.toBeNull();
  expect(client.settledTimes, at('endings')).toBe(1);
  expect(client.unasked, at('comments for a reader that holds back')).toBe(0);
  expect(world.events.of('requestStarted').filter(([other]) => other === call).length, at('opened')).toBe(1);
  expect(world.events.of('requestEnded').filter(([other]) => other === call).length, at('closed')).toBe(1);
  expect(call.journey.windowMs, at('time in the window')).toBeLessThanOrEqual(world.widestMs);
  expect(call.journey.queueMs, at('time in the queue')).toBeLessThanOrEqual(world.queueTimeoutMs);
  checkAttempts(life, world.maxAttempts, at);
  checkText(life, at);
}

function checkAttempts({ call, exchanges }: Life, maxAttempts: number, at: (what: string) => string): void {
  expect(call.attempts.length, at('attempts')).toBe(exchanges.length);
  const asked = new Set<string>();
  let before: { worker: { id: string }; exchange: { failure: string | null } } | null = null;
  for (const next of exchanges) {
    const again = before?.worker === next.worker && before.exchange.failure === 'stale';
    if (!again) {
      expect(asked.has(next.worker.id), at(`asked ${next.worker.id} twice`)).toBe(false);
      asked.add(next.worker.id);
    }
    before = next;
    expect(next.exchange.touchedAfterEnd, at('an exchange that was over')).toBe(false);
  }
  expect(asked.size, at('workers asked')).toBeLessThanOrEqual(maxAttempts);
}

/** The client has what the worker sent, in order and unchanged, and at a break an error and nothing after it. */
function checkText({ call, client, exchanges }: Life, at: (what: string) => string): void {
  const reply = client.reply!;
  const outcome = client.outcome!;
  if (!reply.relayed) {
    expect(reply.status, at('status')).toBeGreaterThanOrEqual(400);
    expect(['refused', 'disconnected'], at('outcome')).toContain(outcome.kind);
    if (outcome.kind === 'refused') expect(JSON.parse(client.text), at('error')).toHaveProperty('error.message');
    return;
  }
  const payload = exchanges.at(-1)!.exchange.payload;
  const text = client.text.replaceAll(KEEP_ALIVE, '');
  const isStream = reply.headers['content-type']!.startsWith('text/event-stream');
  expect(isStream, at('kind of answer')).toBe(call.peek.stream);
  if (outcome.kind === 'complete') {
    const done = payload.indexOf(DONE_EVENT);
    expectSame(text, isStream && done >= 0 ? payload.slice(0, done + DONE_EVENT.length) : payload, at('whole answer'));
  } else if (outcome.kind === 'broken' && isStream) {
    expect(text, at('end of a broken stream')).not.toContain('[DONE]');
    const cut = text.search(ERROR_EVENT);
    expect(cut, at('error event')).toBeGreaterThanOrEqual(0);
    expect(text.indexOf('\n\n', cut), at('after the error event')).toBe(text.length - 2);
    expectSame(text.slice(0, cut), payload.slice(0, cut), at('before the error event'));
  } else expectSame(text, payload.slice(0, text.length), at('part of an answer'));
}

/** Without a diff of megabytes. */
function expectSame(text: string, wanted: string, what: string): void {
  if (text !== wanted) expect(text.slice(0, 2_000), what).toBe(wanted.slice(0, 2_000));
}

/** Counts the places that a history has been to. */
export function tally(world: World, visited: Map<string, number>): void {
  const visit = (place: string): void => void visited.set(place, (visited.get(place) ?? 0) + 1);
  for (const { call, client, exchanges } of world.lives) {
    const outcome = client.outcome!;
    if (call.journey.queueMs > 0) visit('queued');
    if (call.journey.windowMs > 0) visit('held in the window');
    if (outcome.kind === 'complete') visit(`complete: ${call.peek.stream ? 'stream' : 'whole'}`);
    if (outcome.kind === 'disconnected') visit(`disconnected: ${outcome.phase}`);
    if (outcome.kind === 'refused') visit(`refused: ${outcome.error.kind}`);
    if (outcome.kind === 'broken') visit(`broken: ${outcome.error.kind}`);
    if (outcome.kind === 'broken' && outcome.error.message.includes('sent nothing')) visit('broken: idle');
    if (client.text.includes(KEEP_ALIVE)) visit('keep-alive');
    if (client.text.length > 1_000_000) visit('big answer');
    if (exchanges.some(({ exchange }) => exchange.pauses > 0)) visit('held back by a slow reader');
    if (client.cut) visit(client.outcome!.kind === 'broken' ? 'cut: answer without an end' : 'cut: reader stalled');
    for (const { exchange } of exchanges) if (exchange.failure) visit(`failed: ${exchange.failure}`);
  }
  for (const [, size] of world.events.of('batchLeft')) if (size > 1) visit('batch of several');
  for (const [, reason] of world.events.of('retried')) visit(`retried: ${reason}`);
  for (const [, from, to, reason] of world.events.of('breakerChanged')) visit(`breaker: ${from} > ${to} ${reason.split(':')[0]}`);
  for (const [, from, to] of world.events.of('windowChanged')) visit(to < from ? 'window narrowed' : 'window widened');
}
