import { shortageOf } from '../core/transport.ts';

/**
 * What a small request to a server showed.
 * answered: the server lives · dead: the server says that its engine is gone (503) · refused: nobody listens there
 * missed: no answer in time, or a broken one · unseen: we could not look, for want of something of our own
 * asleep, paused: it lives, and was told to take up no request until it is woken or resumed · stopping: it lives, and is about to end
 * loading: it lives, and its model is not there yet (vLLM does not listen until it is)
 */
export type Sight = 'answered' | 'dead' | 'refused' | 'missed' | 'unseen' | 'asleep' | 'paused' | 'stopping' | 'loading';

export function sightOfStatus(status: number): Sight {
  return status === 503 ? 'dead' : 'answered';
}

/** The reason may lie under several wrappings (`cause`, or one error for each address that was tried). */
export function sightOfFailure(error: unknown): Sight {
  if (shortageOf(error) !== null) return 'unseen';
  return isRefusal(error, 0) ? 'refused' : 'missed';
}

const DEEPEST = 6;

function isRefusal(error: unknown, depth: number): boolean {
  if (!(error instanceof Error) || depth > DEEPEST) return false;
  if ('code' in error && error.code === 'ECONNREFUSED') return true;
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every((each) => isRefusal(each, depth + 1));
  return isRefusal(error.cause, depth + 1);
}
