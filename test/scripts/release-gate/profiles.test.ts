import { describe, expect, test } from 'vitest';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import type { ProfileResult } from '../../../scripts/release-gate/ground.ts';
import type { Verdict } from '../../../scripts/release-gate/judging/verdict.ts';
import { settle } from '../../../scripts/release-gate/profile-clients.ts';
import type { LoadRun } from '../../../scripts/load/calls/run-load.ts';
import { takeTurn } from '../../../scripts/release-gate/profile-drain.ts';
import { inSlices } from '../../../scripts/release-gate/profile-soak.ts';
import type { ProfileName } from '../../../scripts/release-gate/profile-names.ts';
import { gateVerdict, mayRelease } from '../../../scripts/release-gate/report.ts';
import { call } from './made-calls.ts';

describe('whether it may be released', () => {
  const ran = (...of: Verdict['outcome'][]): ProfileResult => ({
    ...{ kind: 'ran', figures: {}, parts: [], records: [] },
    verdicts: of.map((outcome, i) => ({ criterion: `c${i}`, outcome, said: '' })),
  });
  const skipped: ProfileResult = { kind: 'skipped', why: 'no key' };
  const gate = (results: Partial<Record<ProfileName, ProfileResult>>, wasInterrupted = false) => ({
    ...{ from: 'preset team', wasInterrupted, leftOut: [] as ProfileName[], isQuick: false },
    profiles: Object.entries(results).map(([profile, result]) => ({ profile: profile as ProfileName, result, seconds: 1 })),
  });

  test.each([
    ['all is kept', gate({ step: ran('passed', 'passed') }), true, 'It may be released by preset team: 2 criteria are kept.'],
    [
      'something was skipped, and something could not be told',
      gate({ step: ran('passed', 'open'), drain: skipped }),
      true,
      'It may be released by preset team: 1 criteria are kept. Skipped, and so not shown: DRAIN. Not told: c1 (STEP).',
    ],
    ['one criterion failed', gate({ step: ran('passed', 'failed') }), false, 'Not to be released by preset team: c1 (STEP).'],
    ['nothing was told', gate({ step: ran('open') }), false, 'Nothing can be said by preset team. Not told: c0 (STEP).'],
    ['nothing ran', gate({ drain: skipped }), false, 'Nothing can be said by preset team. Skipped, and so not shown: DRAIN.'],
    [
      'some was not asked for, and the rest was quick',
      { ...gate({ step: ran('passed') }), leftOut: ['spike', 'soak'] as ProfileName[], isQuick: true },
      true,
      'It may be released by preset team: 1 criteria are kept. Of a quick run, which is to try it and not to rely on. Not asked for, and so not shown: SPIKE, SOAK.',
    ],
    ['it was interrupted', gate({ step: ran('passed') }, true), false, 'Nothing can be said by preset team. It was interrupted.'],
  ])('where %s', (_, result, may, words) => {
    expect(mayRelease(result)).toBe(may);
    expect(gateVerdict(result)).toBe(words);
  });
});

/** A gateway that loses answers and forgets nothing. `lost`: which of the things that it is told it does without an answer. */
function gateway(lost: readonly string[] = [], refused = 0) {
  const told: string[] = [];
  let state = 'ready';
  let [left, refusals] = [[...lost], refused];
  const tell = async (_: string, verb: 'drain' | 'undrain'): Promise<void> => {
    told.push(verb);
    if (verb === 'undrain' && refusals-- > 0) throw new Error('not now');
    if (verb === 'undrain' && state === 'ready') throw new Error('w is not drained.');
    state = verb === 'drain' ? 'drained' : 'ready';
    if (!left.includes(verb)) return;
    left = left.filter((each) => each !== verb);
    throw new Error('no answer');
  };
  return { told, state: () => state, asked: { tell, workers: async () => [{ id: 'w', state }] } };
}

describe('a worker that is drained', () => {
  const turn = (asked: ReturnType<typeof gateway>['asked'], signal = new AbortController().signal) => {
    const outOfService = new Set<string>();
    return { outOfService, done: takeTurn('w', { asked, signal, outOfService, pauseMs: 1 }) };
  };

  test('comes back', async () => {
    const { asked, told, state } = gateway();
    const { done, outOfService } = turn(asked);
    expect([...outOfService]).toEqual(['w']);
    expect(await done).toBe(true);
    expect(told).toEqual(['drain', 'undrain']);
    expect(state()).toBe('ready');
    expect(outOfService.size).toBe(0);
  });

  test('is put back where the answer to the drain was lost, and where that to its return was', async () => {
    const one = gateway(['drain']);
    await expect(turn(one.asked).done).rejects.toThrow('no answer');
    expect(one.state()).toBe('ready');
    const other = gateway(['undrain']);
    expect(await turn(other.asked).done).toBe(true);
    expect(other.state()).toBe('ready');
  });

  test('is put back after an interruption', async () => {
    const { asked, state } = gateway();
    expect(await turn(asked, AbortSignal.abort()).done).toBe(false);
    expect(state()).toBe('ready');
  });

  test('that cannot be put back is told of, with what to do, and stays on the list', async () => {
    const { asked, told } = gateway([], 99);
    const { done, outOfService } = turn(asked);
    await expect(done).rejects.toThrow('w may be out of service still (not now): headgate undrain w');
    expect(told).toEqual(['drain', ...Array.from({ length: 5 }, () => 'undrain')]);
    expect([...outOfService]).toEqual(['w']);
  });
});

describe('a soak in slices', () => {
  const ground = (soakMs: number, signal = new AbortController().signal) => {
    const asked: number[] = [];
    let [answering, most] = [0, 0];
    const open = async ([stage]: readonly { readonly seconds: number }[]) => {
      asked.push(Math.round(stage!.seconds * 1000));
      most = Math.max(most, ++answering);
      // Its answers come long after its schedule.
      await new Promise((resolve) => setTimeout(resolve, 400));
      answering--;
      return { records: [call()], durationMs: 400 } as unknown as LoadRun;
    };
    return { asked, most: () => most, ground: { capacity: 10_000, open, options: { soakMs, signal } } };
  };

  test('has the next begin when the schedule of the last is over, and adds each at its moment', async () => {
    const { asked, most, ground: of } = ground(250);
    const offsets: number[] = [];
    const tookMs = await inSlices(of, { add: (_, offsetMs) => void offsets.push(offsetMs) }, 100);
    expect(asked).toEqual([100, 100, 50]);
    expect(most()).toBeGreaterThan(1);
    expect(offsets).toHaveLength(3);
    expect(offsets[1]! - offsets[0]!).toBeGreaterThan(50);
    expect(tookMs).toBeGreaterThanOrEqual(395);
  });

  test('ends with an interruption, and with what goes wrong in one', async () => {
    const { asked, ground: of } = ground(10_000, AbortSignal.abort());
    await inSlices(of, { add: () => {} }, 100);
    expect(asked).toEqual([]);
    const broken = { ...of, options: { soakMs: 250, signal: new AbortController().signal }, open: () => Promise.reject(new Error('no')) };
    await expect(inSlices(broken, { add: () => {} }, 100)).rejects.toThrow('no');
  });
});

describe('after clients have left', () => {
  const criteria = presetCriteria('team');
  const settled = async (answers: readonly (number | null)[], stopAfter = Infinity) => {
    let looks = 0;
    const stopping = new AbortController();
    const inFlight = async () => {
      const answer = answers[Math.min(looks, answers.length - 1)]!;
      if (++looks >= stopAfter) stopping.abort();
      return answer;
    };
    const asked = { inFlight } as Parameters<typeof settle>[0]['options']['asked'];
    return await settle({ options: { asked, criteria, signal: stopping.signal } });
  };

  test('it is looked at until no worker has a call in flight', async () => {
    expect(await settled([3, 1, 0])).toEqual({ settledMs: expect.any(Number), busyMs: expect.any(Number), left: 1 });
    expect(await settled([0])).toEqual({ settledMs: expect.any(Number), busyMs: 0, left: 0 });
  });

  test('what does not answer has not settled', async () => {
    expect(await settled([null], 3)).toEqual({ settledMs: null, busyMs: 0, left: 0 });
    expect(await settled([2, null], 3)).toEqual({ settledMs: null, busyMs: expect.any(Number), left: 2 });
    expect(await settled([null, 0])).toMatchObject({ settledMs: expect.any(Number) });
  });
});
