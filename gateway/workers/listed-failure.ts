import type { WorkerFailure } from '../core/worker.ts';
import type { Sight } from '../vllm/sight.ts';

const CLASSES: Record<Sight, string> = {
  refused: 'unreachable',
  missed: 'unresponsive',
  dead: 'engine_dead',
  answered: 'unexpected_answer',
};

const ADVICE: Record<Sight, string> = {
  refused: 'Check that the server runs, and that its host and port are those in the settings.',
  missed: 'Check that the server is not stuck, and that nothing on the way drops connections.',
  dead: 'Restart that server: its engine has stopped.',
  answered: 'Check that the url is that of a vLLM server, and that its api_key is right.',
};

/** What is the matter with a listed worker, for the operator. `message` goes on from the worker's url: "… refuses connections". */
export function listedFailure(
  url: string,
  phase: 'starting' | 'serving',
  trouble: { readonly sight: Sight; readonly message: string },
  wallMs: number,
): WorkerFailure {
  return {
    class: CLASSES[trouble.sight],
    phase,
    message: `${url} ${trouble.message}.`,
    advice: ADVICE[trouble.sight],
    at: new Date(wallMs).toISOString(),
  };
}
