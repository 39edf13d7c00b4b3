import type { Call, PromptLogprobsField } from '../../core/call.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Layer } from '../../core/handler.ts';
import { servedAs } from '../../core/pools/served-name.ts';
import type { Worker, WorkerDirectory, WorkerState } from '../../core/worker.ts';

/** Where vLLM knows the fields; in any other body they mean nothing. */
const ROUTES: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/completions']);

/** Not ready, but on the way there. */
const COMING: ReadonlySet<WorkerState> = new Set(['starting', 'warming', 'draining', 'stopping', 'backoff']);
const DEFAULT_RETRY_MS = 5000;

const ASKED: Readonly<Record<PromptLogprobsField, { readonly by: string; readonly instead: string }>> = {
  prompt_logprobs: { by: '`prompt_logprobs`', instead: 'Leave `prompt_logprobs` out' },
  logprobs: { by: '`echo` together with `logprobs`', instead: 'Leave `echo` or `logprobs` out' },
  echo: { by: '`echo`', instead: 'Leave `echo` out' },
};

/**
 * Of workers that serve the same model those that may be sent the call. Log-probabilities of a whole prompt take memory that vLLM does not
 * set aside, so that one such request can end an engine and all that it serves; a worker on whose card that has happened refuses them.
 * Returns the list itself when nothing is to be left out. As long as no worker refuses anything, the call is not looked at.
 */
export function willingWorkers(workers: readonly Worker[], call: Call): readonly Worker[] {
  if (!workers.some(refuses) || fieldOf(call) === null) return workers;
  return workers.filter((worker) => !refuses(worker));
}

/** What a call is told that no ready worker is willing to take: to come back for one that is about to be, or to ask for less. */
export function unwillingError(directory: WorkerDirectory, call: Call): GatewayError {
  const coming = directory
    .workers()
    .filter((worker) => COMING.has(worker.view.state) && servedAs(directory, worker, call.model) !== null && !refuses(worker));
  if (coming.length > 0) {
    const etas = coming.map(({ view }) => view.etaSeconds).filter((eta) => eta !== null);
    const retryAfterMs = etas.length > 0 ? Math.min(...etas) * 1000 : DEFAULT_RETRY_MS;
    const message = `The worker of ${call.model} that may compute log-probabilities of a whole prompt is starting. Retry shortly.`;
    return new GatewayError('model_loading', message, { retryAfterMs });
  }
  const param = fieldOf(call) ?? 'prompt_logprobs';
  const { by, instead } = ASKED[param];
  const message =
    `The request asks for log-probabilities of its whole prompt (${by}). The GPU that runs ${call.model} has run out of memory while ` +
    `serving and has none to spare for them. ${instead} to have the request served.`;
  return new GatewayError('invalid_value', message, { param });
}

/** Refuses what no ready worker is willing to take. While none is ready there is nobody to say so: dispatch asks again. */
export function refusePromptLogprobs(directory: WorkerDirectory): Layer {
  return (next) =>
    function willing(call) {
      if (fieldOf(call) === null) return next(call);
      const ready = directory.readyFor(call.model);
      if (ready.length > 0 && willingWorkers(ready, call).length === 0) return Promise.reject(unwillingError(directory, call));
      return next(call);
    };
}

function refuses({ view }: Worker): boolean {
  return view.refuses?.includes('prompt_logprobs') === true;
}

function fieldOf({ route, peek }: Call): PromptLogprobsField | null {
  return ROUTES.has(route.path) ? peek.promptLogprobs : null;
}
