import { z } from 'zod';
import { serverUrlProblem } from './values/addresses.ts';
import { checked, ms, share } from './values/kinds.ts';

/** Sent with every request that has a body: the exporter writes them itself. */
const ITS_OWN = ['content-type', 'content-length', 'content-encoding', 'transfer-encoding', 'host', 'connection'];

const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'expected the name of a header')
  .refine((name) => !ITS_OWN.includes(name.toLowerCase()), 'this header is written by the exporter itself');
const headerValue = z.string().regex(/^[\x20-\x7e]{1,4096}$/, 'expected 1 to 4096 visible ASCII characters');

export const telemetry = z.strictObject({
  otlp_endpoint: checked((text) => serverUrlProblem(text, 'any'))
    .nullable()
    .default(null)
    .describe(
      'Collector that takes traces by OTLP over HTTP, such as http://127.0.0.1:4318; /v1/traces is added where it is missing. null = no tracing.',
    ),
  headers: z
    .record(headerName, headerValue)
    .default({})
    .meta({ description: 'Headers for the collector, such as { authorization: "Bearer ${OTLP_TOKEN}" }.', writeOnly: true }),
  service_name: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'expected 1 to 128 visible ASCII characters, without spaces')
    .default('headgate')
    .describe('What the gateway is called in traces (service.name).'),
  sample_ratio: share().default(0.03).describe('Share of ordinary requests that are traced; errors and slow ones always are.'),
  slow_ms: ms(0).default(10_000).describe('From this duration on a request is slow and always traced.'),
  trust_incoming: z
    .boolean()
    .default(false)
    .describe("true continues the client's trace (traceparent) and its sampling decision, instead of starting a new one."),
});
