import type { CallBody, Route } from '../../core/call.ts';
import type { EngineAdapter } from '../../engines/adapter.ts';
import { withoutFields } from './without-fields.ts';

const QUESTION = ['stream_options'];

/**
 * The body as it goes to an engine that is not vLLM: without fields that steer a vLLM and would be refused there, or mean something else,
 * and without our question for the usage where it tells all the same.
 */
export function foreignBody(body: CallBody, route: Route, { drops, asksUsage }: EngineAdapter): CallBody {
  if (route.body !== 'json') return body;
  const asked = body.usageAsked === true && !asksUsage;
  const bytes = withoutFields(body.bytes, asked ? [...drops, ...QUESTION] : drops);
  return bytes === body.bytes ? body : { ...body, bytes };
}
