import { request, type RequestOptions } from 'node:http';

const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * One request and its whole answer, on a connection of its own unless an agent has one. `body` is sent as JSON; null sends none.
 * `timeoutMs` bounds every silence in it. @throws Error with the system's code, or ETIMEDOUT
 */
export function exchange(where: RequestOptions, body: unknown, timeoutMs: number): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const payload = body === null ? null : JSON.stringify(body);
    const headers = payload === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const outgoing = request({ agent: false, ...where, timeout: timeoutMs, headers: { ...where.headers, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) outgoing.destroy(new Error('its answer does not end'));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error('it did not answer in time'), { code: 'ETIMEDOUT' })));
    outgoing.on('error', reject);
    outgoing.end(payload ?? undefined);
  });
}
