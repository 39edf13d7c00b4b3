import type { Clock } from '../core/clock.ts';
import type { Layer } from '../core/handler.ts';
import { GatewayError } from '../core/errors.ts';
import { type DeadlineSettings, totalMs } from '../core/time-limits.ts';

/**
 * Cancels a call whose time is over: whoever holds it then (queue, window, relay) hears it at once. The other three limits (connect, first
 * token, silence between tokens) belong to the attempt and are kept by the relay.
 */
export function deadline(clock: Clock, settings: () => DeadlineSettings): Layer {
  return (next) =>
    async function limited(call) {
      const limitMs = totalMs(settings(), call.peek.stream);
      const timer = clock.after(Math.max(0, call.arrivedAt + limitMs - clock.now()), () => {
        call.cancellation.cancel(new GatewayError('deadline', `The request took longer than ${limitMs} ms in all.`));
      });
      try {
        const reply = await next(call);
        void reply.ended.promise.then(() => timer.cancel());
        return reply;
      } catch (error) {
        timer.cancel();
        throw error;
      }
    };
}
