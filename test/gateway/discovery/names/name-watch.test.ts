import { expect, test } from 'vitest';
import type { Found } from '../../../../gateway/core/finding/found.ts';
import type { LookedUp } from '../../../../gateway/discovery/names/look-up.ts';
import { NameWatch } from '../../../../gateway/discovery/names/name-watch.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

const MISSING: LookedUp = { kind: 'missing', workers: [], name: 'vllm.test' };
const FAILED: LookedUp = { kind: 'failed', reason: 'ETIMEOUT' };

function of(...hosts: readonly string[]): LookedUp {
  return { kind: 'found', workers: hosts.map((host) => ({ host, port: 8000, uid: null, isEnding: false })) };
}

/** What is known after each round of looks that bring `rounds`. */
async function after(...rounds: readonly LookedUp[]): Promise<{ shown: string[]; states: string[]; pending: number }> {
  const clock = createFakeClock();
  const states: string[] = [];
  const shown: string[] = [];
  let last: Found = { workers: [], leftOut: [] };
  let next = 0;
  const watch = new NameWatch({
    clock,
    of: { name: 'vllm.test', port: 8000 },
    intervalMs: () => 5_000,
    look: () => Promise.resolve(rounds[next++]!),
    listener: {
      found: (found) => (last = found),
      up: () => states.push('up'),
      away: (message) => states.push(message),
    },
  });
  for (let round = 0; round < rounds.length; round += 1) {
    await clock.advance(round === 0 ? 0 : 5_000);
    shown.push(last.workers.map(({ host }) => host).join());
  }
  expect(next).toBe(rounds.length);
  watch.close();
  return { shown, states, pending: clock.pending };
}

test('every five seconds it is looked up, and changes by difference', async () => {
  const { shown, states, pending } = await after(of('a'), of('a', 'b'), of('b'));
  expect(shown).toEqual(['a', 'a,b', 'b']);
  expect(states).toEqual(['up', 'up', 'up']);
  expect(pending).toBe(0);
});

test('what was found stands through failures of the resolver, however many, and the third is told', async () => {
  const { shown, states } = await after(of('a'), FAILED, FAILED, FAILED, FAILED, FAILED, of('b'));
  expect(shown).toEqual(['a', 'a', 'a', 'a', 'a', 'a', 'b']);
  expect(states.slice(0, 2)).toEqual(['up', expect.stringContaining('the DNS does not answer as it should (ETIMEOUT)')]);
  expect(states.at(-1)).toBe('up');
});

test('that nobody is there is believed the third time in a row', async () => {
  expect((await after(of('a'), MISSING, MISSING, of('a'), MISSING, MISSING, MISSING)).shown).toEqual(['a', 'a', 'a', 'a', 'a', 'a', '']);
});

test('a resolver that fails in between says nothing of whether somebody is there', async () => {
  expect((await after(of('a'), MISSING, FAILED, MISSING, FAILED, MISSING)).shown).toEqual(['a', 'a', 'a', 'a', 'a', '']);
});

test('a name that was never there is told at once, with what to do about a short one', async () => {
  expect((await after(MISSING)).states).toEqual([expect.stringContaining('has no address of vllm.test')]);
  const short = await after({ kind: 'missing', workers: [], name: 'vllm' });
  expect(short.states).toEqual([expect.stringContaining('write the full name')]);
});
