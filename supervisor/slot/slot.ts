import type { Life } from '../machine/life.ts';
import { ending, idleSleepers, isClearing, tooMany, without } from './sleepers.ts';
import type { Seat, SlotEffect, SlotEvent, SlotMoment, SlotRules, SlotState, SlotStep, Swap } from './state.ts';

/** Everything that a step is decided from besides the event. */
interface Now {
  readonly rules: SlotRules;
  readonly slot: SlotState;
  readonly at: SlotMoment;
}

/**
 * The next state of a slot and what is to be done. One model at a time is awake in it: the next one begins when nothing is left of the one
 * before, or when that sleeps. Pure: the same input gives the same output. An event out of place changes nothing.
 */
export function step(rules: SlotRules, slot: SlotState, event: SlotEvent, at: SlotMoment): SlotStep {
  const now: Now = { rules, slot, at };
  const { seat, sleepers } = slot;
  switch (event.type) {
    case 'start':
      return seat.kind === 'empty' ? come(now, 'start') : { slot, effects: [] };
    case 'restart':
      return seat.kind === 'vacating' ? { slot, effects: [] } : come(now, 'restart');
    case 'swap':
      return swapTo(now, event.to);
    case 'hold':
      return hold(now, 'drain');
    case 'stop':
      return hold(now, 'stop');
    case 'give_way':
      return giveWay(now);
    case 'end_sleeper':
      return ending(
        slot,
        sleepers.filter(({ model }) => model === event.model),
      );
    case 'make_room':
      return ending(slot, sleepers);
    case 'time':
      return ending(slot, idleSleepers(rules, slot, at.nowMs));
    case 'worker':
      return heard(now, event.model, event.life);
  }
}

/** The seat's own model, by itself. */
function come({ slot }: Now, wish: 'start' | 'restart'): SlotStep {
  const { seat } = slot;
  const { model } = seat;
  const coming: Seat = { kind: 'coming', model, isPausing: false, swap: swapOf(seat) };
  return { slot: { seat: coming, sleepers: without(slot.sleepers, model) }, effects: [{ type: 'tell', model, wish }] };
}

function swapTo(now: Now, to: string | null): SlotStep {
  const { rules, slot, at } = now;
  const { seat } = slot;
  const { model } = seat;
  if (seat.kind === 'vacating' || (seat.kind === 'coming' && seat.swap && !seat.isPausing)) return { slot, effects: [] };
  if (seat.kind === 'failed' && to === model) return come(now, 'restart');
  const isGone = seat.kind === 'empty' || (seat.kind === 'held' && seat.isGone);
  const isServing = seat.kind === 'serving';
  const sleeps = isServing && to !== null && rules.models.get(model)?.sleeps === true;
  const swap: Swap = { from: isGone ? null : model, fallback: isServing ? model : null, sinceMs: at.nowMs, startedAtMs: at.wallMs };
  const vacating: Seat = { kind: 'vacating', model, isGone, to, swap };
  const room = to === null ? 0 : rules.maxAsleep - Number(sleeps);
  const begun = ending({ ...slot, seat: vacating }, tooMany(slot.sleepers, to, room));
  const leave: SlotEffect[] = isGone ? [] : [{ type: 'tell', model, wish: sleeps ? 'sleep' : 'stop' }];
  return goOn(now, { slot: begun.slot, effects: [...begun.effects, ...leave] });
}

/** The present model makes way for a while, as if it were swapped for itself: its start waits until the card is back. */
function giveWay({ rules, slot }: Now): SlotStep {
  const { seat } = slot;
  const { model } = seat;
  // Where it is cleared already, what comes next waits for the card; and what is not to run needs none.
  if (seat.kind !== 'serving' && seat.kind !== 'coming') return { slot, effects: [] };
  const sleeps = seat.kind === 'serving' && rules.models.get(model)?.sleeps === true;
  const vacating: Seat = { kind: 'vacating', model, isGone: false, to: model, swap: swapOf(seat) };
  return { slot: { ...slot, seat: vacating }, effects: [{ type: 'tell', model, wish: sleeps ? 'sleep' : 'stop' }] };
}

/** Loads what the slot is being cleared for, once it is. */
function goOn({ at }: Now, done: SlotStep): SlotStep {
  const { seat, sleepers } = done.slot;
  if (seat.kind !== 'vacating' || !seat.isGone || isClearing(done.slot)) return done;
  const { model, to, swap } = seat;
  const left: SlotEffect[] =
    swap !== null && swap.fallback !== null && model !== to ? [{ type: 'note_leave', model, tookMs: at.nowMs - swap.sinceMs }] : [];
  if (to === null) return { slot: { seat: { kind: 'empty', model }, sleepers }, effects: [...done.effects, ...left] };
  return {
    slot: {
      seat: { kind: 'coming', model: to, isPausing: false, swap },
      sleepers: without(sleepers, to),
    },
    effects: [...done.effects, ...left, { type: 'load', model: to, after: model }],
  };
}

function hold({ slot }: Now, wish: 'drain' | 'stop'): SlotStep {
  const { seat } = slot;
  const { model } = seat;
  const isGone = seat.kind === 'empty' || ('isGone' in seat && seat.isGone);
  const { slot: held, effects } = ending({ ...slot, seat: { kind: 'held', model, isGone } }, slot.sleepers);
  return { slot: held, effects: [{ type: 'tell', model, wish }, ...effects] };
}

function heard(now: Now, model: string, life: Life): SlotStep {
  const { rules, slot } = now;
  const { seat, sleepers } = slot;
  const isSleeper = sleepers.some((sleeper) => sleeper.model === model);
  if (isSleeper) return goOn(now, { slot: { seat, sleepers: afterNews(sleepers, model, life) }, effects: [] });
  if (life.state === 'asleep') {
    const sleeping = [...sleepers, { model, sinceMs: now.at.nowMs, isEnding: false }];
    // Whoever is next is about to be woken: it does not count.
    const next = seat.kind === 'vacating' ? seat.to : seat.model;
    const settled: SlotState = { seat: model === seat.model ? sat(seat, life) : seat, sleepers: sleeping };
    return goOn(now, ending(settled, tooMany(sleeping, next, rules.maxAsleep)));
  }
  if (model !== seat.model) return { slot, effects: [] };
  const next = sat(seat, life);
  const isNews = life.state === 'failed' && !(seat.kind === 'failed' && seat.failure === life.failure);
  const effects: SlotEffect[] = isNews ? [{ type: 'give_up', model, failure: life.failure }] : [];
  return goOn(now, { slot: { seat: next, sleepers }, effects });
}

/** A sleeper after its worker has changed: still there, about to be gone, or gone. */
function afterNews(sleepers: SlotState['sleepers'], model: string, { state }: Life): SlotState['sleepers'] {
  if (state === 'idle' || state === 'failed') return without(sleepers, model);
  if (state === 'asleep') return sleepers;
  return sleepers.map((sleeper) => (sleeper.model === model ? { ...sleeper, isEnding: true } : sleeper));
}

/** The seat after its own worker has changed. */
function sat(seat: Seat, life: Life): Seat {
  const { model } = seat;
  const isGone = life.state === 'idle' || life.state === 'asleep';
  // What cannot be ended keeps the GPU: only a person can help.
  if (seat.kind === 'vacating') return life.state === 'failed' ? { kind: 'held', model, isGone } : { ...seat, isGone };
  if (seat.kind === 'held') return { ...seat, isGone };
  switch (life.state) {
    case 'idle':
    case 'asleep':
      return { kind: 'empty', model };
    case 'ready':
      return { kind: 'serving', model };
    case 'failed':
      return { kind: 'failed', model, failure: life.failure, fallback: fallbackOf(seat) };
    default:
      return { kind: 'coming', model, isPausing: life.state === 'backoff', swap: swapOf(seat) };
  }
}

function swapOf(seat: Seat): Swap | null {
  return seat.kind === 'coming' ? seat.swap : null;
}

function fallbackOf(seat: Seat): string | null {
  return seat.kind === 'failed' ? seat.fallback : (swapOf(seat)?.fallback ?? null);
}
