import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'hono';

/** What Hono's contexts carry here: Node's own request and response. */
export type HttpEnv = { Bindings: { incoming: IncomingMessage; outgoing: ServerResponse } };
export type HttpContext = Context<HttpEnv>;
export type HttpAnswer = (c: HttpContext) => Response | Promise<Response>;
