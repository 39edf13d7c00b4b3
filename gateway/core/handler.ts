import type { Call } from './call.ts';
import type { Reply } from './reply.ts';

/** What becomes of a call. */
export type Handler = (call: Call) => Promise<Reply>;

/** A policy: wraps the next handler. First listed = outermost. A disabled policy returns `next` itself. */
export type Layer = (next: Handler) => Handler;
