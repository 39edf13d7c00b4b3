import type { Dialect } from '../core/call.ts';
import type { GatewayError } from '../core/errors.ts';

interface OpenAIError {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null };
}

/** Anthropic's names for what has one of its own; any other 4xx is the request's fault, and the rest is ours. */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

/** The JSON of an error answer, in the dialect of the route. */
export function errorBody(error: GatewayError, dialect: Dialect): object {
  const { message } = error;
  if (dialect === 'anthropic') {
    const type = ANTHROPIC_TYPES[error.status] ?? (error.status < 500 ? 'invalid_request_error' : 'api_error');
    return { type: 'error', error: { type, message } };
  }
  const { row, details } = error;
  const body: OpenAIError = {
    error: {
      message,
      type: details.type ?? row.type,
      param: details.param ?? null,
      code: details.code === undefined ? row.code : details.code,
    },
  };
  return body;
}

/**
 * An error inside a stream that has begun. The nested object in a plain data event is the one form that every SDK understands
 * (the openai SDKs, the ai SDK and LangChain were tried). Anthropic's SDK wants its own event, and so do streams of `/v1/responses`, whose
 * events are numbered: `sequenceNumber` is this one's.
 */
export function errorEvent(error: GatewayError, dialect: Dialect, sequenceNumber: number): string {
  const body = errorBody(error, dialect);
  switch (dialect) {
    case 'openai':
      return `data: ${JSON.stringify(body)}\n\n`;
    case 'anthropic':
      return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
    case 'responses': {
      const { error: told } = body as OpenAIError;
      const { code, message, param } = told;
      const event = { type: 'error', sequence_number: sequenceNumber, code, message, param, error: told };
      return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
    }
  }
}
