import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { run } from './process.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** How long a browser may take to start and to run a page: only tests that fail wait so long. */
const LIMIT_MS = 60_000;

/** The program of a Chromium on the PATH; null: there is none. */
export const CHROMIUM: string | null =
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find(isProgram) ?? null;

export interface PageHost extends AsyncDisposable {
  /** `http://name:port` */
  readonly origin: string;
  /** What the page hands back, once it has. */
  result(): Promise<unknown>;
}

/** Serves one page under a name, which may be any in .example. `script` is the body of an async function, in the browser; what it returns or throws is handed back. */
export async function hostPage(name: string, script: string): Promise<PageHost> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const server = createServer((incoming, response) => {
    if (incoming.method === 'POST') {
      let text = '';
      incoming.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      incoming.on('end', () => {
        response.end();
        resolve(JSON.parse(text));
      });
      return;
    }
    const told = `fetch('/result', { method: 'POST', body: JSON.stringify(value) })`;
    const page = `<!doctype html><body><script type="module">
      const run = async () => { ${script} };
      run().catch((error) => ({ threw: String(error) })).then((value) => ${told});
    </script>`;
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    origin: `http://${name}:${(server.address() as AddressInfo).port}`,
    result: () => promise,
    [Symbol.asyncDispose]: () => closed(server),
  };
}

/** Opens a page in a browser of its own, without a window, until every host has its result. @throws when that takes too long */
export async function browse(url: string, hosts: readonly PageHost[]): Promise<unknown[]> {
  const profile = mkdtempSync(join(tmpdir(), 'headgate-browser-'));
  try {
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--host-resolver-rules=MAP *.example 127.0.0.1',
      `--user-data-dir=${profile}`,
    ];
    await using browser = run(CHROMIUM!, [...flags, url], { cwd: profile });
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no result within ${LIMIT_MS} ms:\n${browser.output()}`)), LIMIT_MS);
    try {
      return await Promise.race([Promise.all(hosts.map((host) => host.result())), late]);
    } finally {
      clearTimeout(timer);
    }
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
