import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { askServer, NoAnswer } from '../../../scripts/load/calls/ask-server.ts';
import { serverFacts } from '../../../scripts/load/server-facts.ts';

describe('a question beside the calls', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  const serve = async (listener: RequestListener): Promise<string> => {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const failure = async (url: string): Promise<NoAnswer> => {
    const error: unknown = await askServer(url).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NoAnswer);
    return error as NoAnswer;
  };

  test('goes with a key and an order, and has an answer as text and as JSON', async () => {
    const url = await serve((req, res) => {
      const { authorization, 'content-type': type } = req.headers;
      req.pipe(res.writeHead(202, { 'x-told': `${req.method} ${authorization} ${type}` }));
    });
    expect(await askServer(`${url}/a`, { key: 'k', order: { a: 1 } })).toEqual({ status: 202, text: '{"a":1}', body: { a: 1 } });
    expect(await askServer(`${url}/a`)).toEqual({ status: 202, text: '', body: null });
    const asked = await serve((req, res) => res.end(JSON.stringify([req.method, req.headers.authorization, req.headers['x-a']])));
    expect((await askServer(asked, { key: 'k', headers: { 'x-a': 'b' } })).body).toEqual(['GET', 'Bearer k', 'b']);
    expect((await askServer(asked, { method: 'POST' })).body).toEqual(['POST', null, null]);
  });

  test('says in words that nobody is there, also when the answer breaks off', async () => {
    expect(await failure('http://127.0.0.1:9/x')).toMatchObject({
      code: 'ECONNREFUSED',
      message: 'Nothing answers on http://127.0.0.1:9 (ECONNREFUSED).',
    });
    const broken = await serve((_, res) => void res.writeHead(200, { 'content-length': 100 }).write('{', () => res.destroy()));
    expect((await failure(broken)).message).toMatch(/^Nothing answers on http:\/\/127\.0\.0\.1:\d+ \([A-Z_]+\)\.$/);
    await expect(serverFacts(broken, {})).rejects.toThrow('Nothing answers on');
  });

  test('takes no answer without an end', async () => {
    const endless = await serve((_, res) => {
      const more = (): void => void res.write(Buffer.alloc(1 << 20), (error) => void (error ?? setImmediate(more)));
      res.writeHead(200);
      more();
    });
    expect((await failure(endless)).code).toBe('EMSGSIZE');
  });
});
