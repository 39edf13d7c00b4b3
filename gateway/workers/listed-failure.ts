import type { WorkerFailure } from '../core/worker.ts';
import type { Unreached } from '../vllm/unreached.ts';
import type { Sight } from '../vllm/sight.ts';
import type { Amiss } from './listed-amiss.ts';

const CLASSES: Record<Sight, string> = {
  refused: 'unreachable',
  missed: 'unresponsive',
  dead: 'engine_dead',
  answered: 'unexpected_answer',
  unseen: 'not_looked_at',
  asleep: 'asleep',
  paused: 'paused',
  stopping: 'stopping',
  loading: 'loading',
};

const ADVICE: Record<Sight, string> = {
  refused: 'Check that the server runs, and that its host and port are those in the settings.',
  missed: 'Check that the server is not stuck, and that nothing on the way drops connections.',
  dead: 'Restart that server: its engine has stopped.',
  answered:
    'Check that the url is that of a server of an engine that is known here, such as vLLM (workers[].engine), and that its api_key is right.',
  unseen: 'Raise the number of files that the gateway may open: ulimit -n, or LimitNOFILE in its service.',
  asleep: 'Wake it: POST /wake_up at that server. It serves as soon as it is awake.',
  paused: 'Resume it: POST /resume at that server. It serves as soon as it is resumed.',
  stopping: 'Somebody has told that server to stop. It serves again once it has been started anew.',
  loading: 'It serves as soon as its model is loaded.',
};

const TROUBLE: Record<Sight, string> = {
  refused: 'refuses connections',
  missed: 'has stopped answering /metrics',
  dead: 'answers /metrics with status 503',
  answered: 'answers',
  unseen: 'could not be asked',
  asleep: 'was put to sleep',
  paused: 'was paused',
  stopping: 'is being shut down and takes no new requests',
  loading: 'is loading its model, or starting',
};

/** What was seen, as words that go on from the worker's url. */
export function troubleOf(sight: Sight): string {
  return TROUBLE[sight];
}

/** What is the matter with a listed worker, for the operator. `message` goes on from the worker's url: "… refuses connections". */
export function listedFailure(
  url: string,
  phase: 'starting' | 'serving',
  trouble: { readonly sight: Sight; readonly message: string; readonly why?: Unreached },
  wallMs: number,
): WorkerFailure {
  return {
    class: trouble.why?.class ?? CLASSES[trouble.sight],
    phase,
    message: `${url} ${trouble.message}.`,
    advice: trouble.why?.advice ?? ADVICE[trouble.sight],
    at: new Date(wallMs).toISOString(),
  };
}

/** What is wrong with the settings' line of one that serves. */
export function listedAmiss(url: string, amiss: Amiss, wallMs: number): WorkerFailure {
  const { class: kind, message, advice } = amiss;
  return { class: kind, phase: 'serving', message: `${url} ${message}.`, advice, at: new Date(wallMs).toISOString() };
}
