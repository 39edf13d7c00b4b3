import type { Layer } from '../core/handler.ts';
import type { Random } from '../core/random.ts';
import { GatewayError } from '../core/errors.ts';
import { Ending, type Reply } from '../core/reply.ts';
import { errorReplyParts } from '../openai/error-reply.ts';

/** The one point where a thrown error becomes an answer. Anything unexpected is our fault, and said to be so. */
export function rescue(random: Random, onUnexpected: (error: unknown, callId: string) => void): Layer {
  return (next) =>
    async function rescued(call): Promise<Reply> {
      try {
        return await next(call);
      } catch (thrown) {
        let error: GatewayError;
        if (thrown instanceof GatewayError) error = thrown;
        else {
          onUnexpected(thrown, call.id);
          error = new GatewayError('internal', 'The gateway failed to handle the request.', { cause: thrown });
        }
        const { status, headers, body } = errorReplyParts(error, call.route.dialect, random);
        return {
          status,
          headers,
          body: { kind: 'bytes', bytes: body },
          relayed: false,
          ended: new Ending(),
          outcome: () => ({ kind: 'refused', error }),
        };
      }
    };
}
