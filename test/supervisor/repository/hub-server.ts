import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface HubRepository {
  readonly config?: unknown;
  /** Sizes in bytes by path. */
  readonly files?: Readonly<Record<string, number>>;
  /** Whoever has no token is sent away. */
  readonly gated?: true;
  /** It never answers. */
  readonly silent?: true;
}

/** A pretended hub with these repositories, gone after the test. Knows the token `hf_good`. */
export async function hubServer(repositories: Readonly<Record<string, HubRepository>>) {
  const asked: { path: string; token: string | undefined }[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]!;
    const token = request.headers.authorization?.replace('Bearer ', '');
    asked.push({ path, token });
    const [, , name = '', what = ''] = /^(\/api\/models)?\/([^/]+\/[^/]+)\/(.*)$/.exec(path) ?? [];
    const repository = repositories[name];
    const say = (status: number, body: unknown, code?: string) => {
      response.writeHead(status, { 'content-type': 'application/json', ...(code ? { 'x-error-code': code } : {}) });
      response.end(JSON.stringify(body));
    };
    if (repository?.silent) return;
    if (!repository) return say(401, {}, 'RepoNotFound');
    const { files = {}, config, gated } = repository;
    if (what.startsWith('tree/'))
      return say(
        200,
        Object.entries(files).map(([file, size]) => ({ type: 'file', path: file, size, lfs: { size } })),
      );
    if (gated && token !== 'hf_good') return say(token === undefined ? 401 : 403, {}, 'GatedRepo');
    return config === undefined ? say(404, {}, 'EntryNotFound') : say(200, config);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { env: { HF_ENDPOINT: `http://127.0.0.1:${port}`, HOME: '/nowhere', HF_HOME: '/nowhere/hf' }, asked };
}
