import {
  type Call,
  type CallBody,
  makeCall,
  type Prefix,
  type Priority,
  type PromptLogprobsField,
  type Route,
} from '../../gateway/core/call.ts';
import { GatewayError } from '../../gateway/core/errors.ts';
import { ANONYMOUS } from '../../gateway/core/principal.ts';
import { MODEL } from './fake-worker.ts';

export const CHAT: Route = { path: '/v1/chat/completions', dialect: 'openai', body: 'json', streamEnd: 'done-event' };
export const MESSAGES: Route = { path: '/v1/messages', dialect: 'anthropic', body: 'json', streamEnd: 'end-of-body' };

export interface FakeCallOptions {
  readonly id?: string;
  readonly route?: Route;
  readonly stream?: boolean;
  readonly model?: string;
  readonly priority?: Priority;
  readonly sessionId?: string | null;
  readonly promptHead?: string;
  readonly prefix?: Prefix | null;
  readonly promptLogprobs?: PromptLogprobsField;
  /** The bytes the client sent. */
  readonly text?: string;
  readonly body?: CallBody;
  readonly arrivedAt?: number;
}

let serial = 0;

/** A call as `identify` would make it. Its bytes are its own, unless `text` says otherwise. */
export function fakeCall(options: FakeCallOptions = {}): Call {
  const id = options.id ?? `call-${++serial}`;
  const { stream = false, model = MODEL, promptHead = '' } = options;
  const bytes = Buffer.from(options.text ?? JSON.stringify({ model, stream, messages: [{ role: 'user', content: id }] }));
  return makeCall({
    id,
    route: options.route ?? CHAT,
    body: options.body ?? { bytes, contentType: 'application/json' },
    peek: {
      model,
      stream,
      promptChars: bytes.length,
      promptHead,
      prefix: options.prefix ?? null,
      maxTokens: null,
      choices: 1,
      promptLogprobs: options.promptLogprobs ?? null,
    },
    model,
    principal: ANONYMOUS,
    priority: options.priority ?? 'interactive',
    sessionId: options.sessionId ?? null,
    forward: { accept: '*/*' },
    arrivedAt: options.arrivedAt ?? 1000,
  });
}

/** What a client's leaving is to the policies. */
export function clientGone(): GatewayError {
  return new GatewayError('client_disconnected', 'The client closed the connection.');
}
