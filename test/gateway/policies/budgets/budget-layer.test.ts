import { describe, expect, test } from 'vitest';
import { type Attempt, newAttempt } from '../../../../gateway/core/attempt.ts';
import type { Call } from '../../../../gateway/core/call.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import type { Budgets } from '../../../../gateway/core/principal.ts';
import type { Outcome, Reply } from '../../../../gateway/core/reply.ts';
import { budgetLayer } from '../../../../gateway/policies/budgets/budget-layer.ts';
import { BudgetBooks } from '../../../../gateway/policies/budgets/budgets.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import type { MeetingPlace } from '../../../../gateway/policies/budgets/ports.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { jsonReply } from '../../../support/json-reply.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';
import { inFile } from '../../state/store/usage-drivers.ts';
import { Process } from './kept.ts';

const DAY = 86_400_000;

type Mode = 'well' | 'away' | 'slow' | 'none';

/** A layer whose calls run until they are told to end, at a file that is there, or not. */
function scene(
  budgets: Partial<Budgets>,
  { mode = 'well' as Mode, file = inFile(), processes = 1, meetingPlace = null as MeetingPlace | null } = {},
) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const kept = new Process(file, `life ${Math.random()}`, processes);
  const state = { mode, wallSteps: 0, exchanges: 0, delayMs: 0 };
  const records = {
    get isAway() {
      return state.mode === 'away';
    },
    async exchange() {
      state.exchanges++;
      if (state.mode === 'slow') await new Promise(() => {});
      kept.say();
      if (state.delayMs > 0) await new Promise<void>((resolve) => void clock.after(state.delayMs, resolve));
      await kept.exchange();
      return true;
    },
  };
  const budgeted = {
    ...{ subject: 'key app', isAddress: false, name: 'app' },
    budgets: { tokens_per_day: null, tokens_per_month: null, ...budgets },
  };
  const running: { call: Call; end: (attempt: Partial<Attempt>, outcome?: Outcome) => void; fail: () => void }[] = [];
  const handler = budgetLayer({
    clock: { ...clock, wall: () => clock.wall() + state.wallSteps },
    events,
    books: kept.books,
    records: () => (state.mode === 'none' ? null : records),
    meetingPlace,
    budgetsOf: () => budgeted,
  })(
    (call) =>
      new Promise<Reply>((resolve, reject) => {
        const reply = jsonReply(200, {});
        running.push({
          call,
          end(attempt, outcome = { kind: 'complete', status: 200 }) {
            call.attempts.push({ ...newAttempt('w0', null), ...attempt });
            resolve(reply);
            void Promise.resolve().then(() => reply.ended.settle(outcome));
          },
          fail: () => reject(new GatewayError('upstream_disconnected', 'gone')),
        });
      }),
  );
  const outcomes: (string | GatewayError)[] = [];
  /** Asks for so many tokens, nearly all of them for the answer. */
  const send = async (maxTokens: number, promptChars = 0): Promise<Call> => {
    const call = fakeCall({ text: '' });
    Object.assign(call.peek, { maxTokens, promptChars });
    handler(call).then(
      () => outcomes.push('replied'),
      (error: GatewayError) => outcomes.push(error),
    );
    await clock.advance(0);
    return call;
  };
  const refusal = () => outcomes.filter((outcome) => typeof outcome !== 'string').at(-1)!;
  return { clock, events, kept, state, budgeted, running, outcomes, send, refusal };
}

describe('a budget', () => {
  test('is charged for the prompt where a client leaves with the first event, which nobody has counted yet', async () => {
    const { clock, running, send, refusal } = scene({ tokens_per_day: 100 });
    await send(10, 100);
    running[0]!.end({ firstByteAt: 1 }, { kind: 'disconnected', phase: 'stream' });
    await clock.advance(0);
    await send(71);
    expect(running).toHaveLength(1);
    expect(refusal().message).toContain('used 30,');
    await send(70);
    expect(running).toHaveLength(2);
  });

  test('is taken from before a call by its estimate, and what was not used comes back', async () => {
    const { clock, events, running, send, refusal } = scene({ tokens_per_day: 100 });
    await send(60);
    await send(60);
    expect(running).toHaveLength(1);
    // What runs may give back what it would need.
    expect(refusal()).toMatchObject({ kind: 'rate_limited', details: { limit: 'day', retryAfterMs: 1_000 } });
    expect(refusal().message).toContain('limit 100, used and held 60, requested 60.');
    expect(events.of('limited')).toHaveLength(1);
    running[0]!.end({ inputTokens: 10, outputTokens: 20 });
    await clock.advance(0);
    await send(70);
    expect(running).toHaveLength(2);
    await send(1);
    expect(refusal().message).toContain('used and held 100');
    running[1]!.end({ inputTokens: 10, outputTokens: 60 });
    await clock.advance(0);
    await send(60);
    expect(refusal()).toMatchObject({ kind: 'quota_exceeded', details: { limit: 'day', retryAfterMs: DAY - 0, hopeless: true } });
    expect(refusal().message).toBe(
      'Quota exceeded for app on tokens per day: limit 100, used 100, requested 60. The next day begins at 2026-01-02T00:00:00Z.',
    );
  });

  test('of which there is plenty refuses nobody because a call used more, while the records were asked, than it had taken', async () => {
    const { clock, state, running, outcomes, send } = scene({ tokens_per_day: 1e12 });
    await send(10);
    state.delayMs = 50;
    await send(1_000);
    expect(running).toHaveLength(1);
    await clock.advance(25);
    running[0]!.end({ inputTokens: 10, outputTokens: 500_000 });
    await clock.advance(1_000);
    expect(outcomes).toEqual(['replied']);
    expect(running).toHaveLength(2);
  });

  test('gets back all that a call held that failed, or that nobody answered', async () => {
    const { clock, running, send } = scene({ tokens_per_month: 100 });
    for (let i = 0; i < 3; i++) {
      await send(100);
      running.at(-1)!.fail();
      await clock.advance(0);
    }
    await send(100);
    expect(running).toHaveLength(4);
  });

  test('of the month tells of the month, where both are used up; one that is too large by itself, or none, is told as such', async () => {
    const { clock, running, send, refusal, budgeted } = scene({ tokens_per_day: 100, tokens_per_month: 100 });
    await send(100);
    running[0]!.end({ inputTokens: 0, outputTokens: 100 });
    await clock.advance(0);
    await send(10);
    expect(refusal().message).toContain('The next month begins at 2026-02-01T00:00:00Z.');
    await send(101);
    expect(refusal().message).toBe(
      'Request too large for app on tokens per month: limit 100, requested 101. Ask for fewer tokens (max_tokens).',
    );
    expect(refusal().details.retryAfterMs).toBeUndefined();
    budgeted.budgets = { tokens_per_day: 0, tokens_per_month: null };
    await send(1);
    expect(refusal().message).toBe('app may use no tokens (tokens_per_day: 0).');
    // What is set meanwhile holds.
    budgeted.budgets = { tokens_per_day: 110, tokens_per_month: null };
    await send(10);
    expect(running).toHaveLength(2);
  });

  test('begins anew with the day, and a clock that steps back finds what was spent', async () => {
    const { clock, state, running, send, outcomes } = scene({ tokens_per_day: 100 });
    await send(100);
    running[0]!.end({ inputTokens: 0, outputTokens: 100 });
    await clock.advance(0);
    state.wallSteps = DAY;
    await send(70);
    expect(running).toHaveLength(2);
    state.wallSteps = 0;
    await send(10);
    expect(running).toHaveLength(2);
    state.wallSteps = DAY;
    await send(40);
    await send(30);
    expect(running).toHaveLength(3);
    expect(outcomes).toEqual(['replied', expect.any(GatewayError), expect.any(GatewayError)]);
  });

  test('is what another process, or the life before, has left of it', async () => {
    const file = inFile();
    const first = scene({ tokens_per_day: 100 }, { file, processes: 2 });
    const second = scene({ tokens_per_day: 100 }, { file, processes: 2 });
    await first.send(60);
    await second.send(60);
    expect([first.running.length, second.running.length]).toEqual([1, 0]);
    await second.clock.advance(1_000);
    await second.send(40);
    expect(second.running).toHaveLength(1);
    first.running[0]!.end({ inputTokens: 0, outputTokens: 30 });
    await first.clock.advance(0);
    await first.kept.exchange();
    // It keeps a little at hand for calls like the last, until none has come.
    await first.kept.exchange();
    const third = scene({ tokens_per_day: 100 }, { file });
    await third.send(31);
    await third.clock.advance(1_000);
    await third.send(30);
    expect(third.running).toHaveLength(1);
    expect(third.refusal().message).toContain('used and held 30');
  });
});

describe('while the file cannot be used', () => {
  test('each process keeps to its share of what was left', async () => {
    const { state, running, send } = scene({ tokens_per_day: 100 }, { processes: 2 });
    await send(20);
    state.mode = 'away';
    for (let i = 0; i < 5; i++) await send(10);
    expect(running).toHaveLength(4);
    state.mode = 'well';
    await send(40);
    expect(running).toHaveLength(5);
  });

  test('a call waits for it for a moment, hears that its client has left, and is decided without it then', async () => {
    const { clock, state, running, send, outcomes } = scene({ tokens_per_day: 100 }, { mode: 'slow' });
    const left = await send(10);
    left.cancellation.cancel(clientGone());
    await clock.advance(0);
    expect(outcomes).toMatchObject([{ kind: 'client_disconnected' }]);
    await send(10);
    expect(running).toHaveLength(0);
    await clock.advance(2_000);
    expect(running).toHaveLength(1);
    expect(clock.pending).toBe(0);
    expect(state.exchanges).toBe(2);
  });

  test('or is none, it is known in memory', async () => {
    const { running, send, state } = scene({ tokens_per_day: 100 }, { mode: 'none' });
    await send(60);
    await send(60);
    await send(40);
    expect(running).toHaveLength(2);
    expect(state.exchanges).toBe(0);
  });
});

describe('while machines that have one budget cannot meet', () => {
  const meeting = (whenAway: MeetingPlace['whenAway']) => {
    const place = { isAway: false, whenAway, nextTryMs: 7_000, missed: () => void place.count++, count: 0 };
    return place;
  };

  test('a gateway keeps to its share of what was left, or lets everybody in, or nobody', async () => {
    const outcomeOf = async (whenAway: MeetingPlace['whenAway']) => {
      const meetingPlace = meeting(whenAway);
      const { running, send, outcomes, state } = scene({ tokens_per_day: 100 }, { processes: 2, meetingPlace });
      await send(10);
      const { exchanges } = state;
      meetingPlace.isAway = true;
      for (const tokens of [10, 20, 30, 60]) await send(tokens);
      expect(state.exchanges).toBe(exchanges);
      return { taken: running.map(({ call }) => call.peek.maxTokens), missed: meetingPlace.count, last: outcomes.at(-1) };
    };
    expect(await outcomeOf('local')).toMatchObject({ taken: [10, 10, 20], missed: 4, last: { kind: 'rate_limited' } });
    expect(await outcomeOf('allow')).toMatchObject({ taken: [10, 10, 20, 30, 60], missed: 4 });
    expect(await outcomeOf('deny')).toMatchObject({
      taken: [10],
      missed: 4,
      last: { kind: 'store_unavailable', details: { retryAfterMs: 7_000 } },
    });
  });

  test('the file is asked all the same where nothing is known yet of a budget', async () => {
    const meetingPlace = { ...meeting('local'), isAway: true };
    const { running, send, state } = scene({ tokens_per_day: 100 }, { meetingPlace });
    await send(10);
    expect([running.length, state.exchanges]).toEqual([1, 1]);
  });
});

test('a process that knows what was spent on its machine alone has a share of the rest, and no more when it is told so again', () => {
  const books = new BudgetBooks(() => 2);
  const budgeted = { subject: 'key app', isAddress: false, name: 'app', budgets: { tokens_per_day: 100, tokens_per_month: null } };
  const take = (tokens: number) => {
    const taking = books.take(budgeted, tokens, tokens, 0, 0);
    return taking.kind === 'short' ? books.takeAgain(taking.parts, true, 0) : taking;
  };
  const told = (spent: number) => books.toldOfMachine([{ subject: 'key app', window: '1970-01-01', granted: 0, spent }]);
  expect(take(101).kind).toBe('refused');
  books.take(budgeted, 1, 1, 0, 0);
  told(40);
  const taking = take(30);
  expect(taking.kind).toBe('taken');
  expect(take(1).kind).toBe('refused');
  if (taking.kind === 'taken') taking.hold.settle(30);
  books.spends();
  told(70);
  expect(take(1).kind).toBe('refused');
});

test('a call that was refused is refused again without asking, until something has come back or a moment has passed', async () => {
  const { clock, state, running, send } = scene({ tokens_per_day: 100 });
  await send(100);
  await send(10);
  const { exchanges } = state;
  for (let i = 0; i < 20; i++) await send(10);
  expect(state.exchanges).toBe(exchanges);
  await clock.advance(1_000);
  await send(10);
  expect(state.exchanges).toBe(exchanges + 1);
  running[0]!.fail();
  await clock.advance(0);
  await send(10);
  expect(running).toHaveLength(2);
});

test('addresses that are forgotten are those that were used longest ago, and none that runs', () => {
  const books = new BudgetBooks(() => 1, 3);
  const take = (address: string) => {
    const budgeted = { subject: address, isAddress: true, name: 'anonymous', budgets: { tokens_per_day: 10, tokens_per_month: null } };
    const taking = books.take(budgeted, 6, 6, 0, 0);
    return taking.kind === 'short' ? books.takeAgain(taking.parts, true, 0) : taking;
  };
  const first = take('a');
  for (const address of ['b', 'c']) {
    const taking = take(address);
    if (taking.kind === 'taken') taking.hold.settle(6);
  }
  take('d');
  expect(take('a').kind).toBe('refused');
  expect(take('c').kind).toBe('refused');
  expect(take('b').kind).toBe('taken');
  expect(first.kind).toBe('taken');
  expect([...books.used(0)]).toEqual([]);
});

test('what is refused is told of the budget that is used up, also where the next question is under way and nothing is free', async () => {
  const kept = new Process(inFile(), 'life of books');
  const { books } = kept;
  const budgeted = { subject: 'key app', isAddress: false, name: 'app', budgets: { tokens_per_day: 100, tokens_per_month: 1_000_000 } };
  const ask = async (tokens: number) => {
    const taking = books.take(budgeted, tokens, 0, 0, 0);
    if (taking.kind !== 'short') throw new Error(taking.kind);
    const wait = books.wait(taking.parts);
    await kept.exchange();
    books.leave(wait);
    return { wait, parts: taking.parts };
  };
  expect((await ask(90)).wait.taking?.kind).toBe('taken');
  const { wait, parts } = await ask(60);
  expect(wait.taking).toBeNull();
  kept.say();
  expect(books.isScarce(parts)).toBe(true);
  expect(books.takeAgain(parts, false, 0)).toMatchObject({ kind: 'refused', shortage: { window: { limit: 'day' }, amount: 100 } });
});
