import { z } from 'zod';
import { HOUR_MS, ms } from './values/kinds.ts';

// How long each part of a request may take, what a client hears meanwhile, and how long an end takes.

export const timeouts = () =>
  z.strictObject({
    connect_ms: ms(1, HOUR_MS).default(3000).describe('Connecting to a worker.'),
    first_token_ms: ms(1)
      .default(60_000)
      .describe('From sending a streamed request to the first token, while the worker is not seen to work on anything.'),
    idle_ms: ms(1).default(60_000).describe('Between two tokens of a stream, while the worker is not seen to work on anything.'),
    stream_total_ms: ms(1).default(300_000).describe('A streamed request as a whole, where its worker makes no progress.'),
    request_total_ms: ms(1).default(60_000).describe('A request without streaming as a whole, where its worker makes no progress.'),
    stream_max_ms: ms(1).default(3_600_000).describe('A streamed request as a whole, in any case.'),
    request_max_ms: ms(1).default(600_000).describe('A request without streaming as a whole, in any case.'),
  });

export const stream = () =>
  z.strictObject({
    keep_alive_ms: ms(0, HOUR_MS).default(30_000).describe('Send ": keep-alive" comments this often while the engine is silent. 0 = off.'),
  });

export const shutdown = () =>
  z.strictObject({
    settle_ms: ms(0, HOUR_MS).default(3000).describe('Keep accepting this long after /readyz says no, until load balancers have noticed.'),
    grace_ms: ms(0)
      .default(30_000)
      .describe(
        'How long running requests may take to finish before they are cut, when the gateway stops, and when an engine is stopped, restarted or changed for another model.',
      ),
  });
