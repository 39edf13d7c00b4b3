import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { consoleAssets } from '../../../gateway/console/assets.ts';
import { startFakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway } from '../../support/gateway.ts';

/** Over TLS and on this machine browsers take brotli, and gzip elsewhere. */
const MOST_BYTES = { br: 56 * 1024, gzip: 63 * 1024 };

/** As README tells it, in KiB. */
const [, br, gzip] = /A page of (\d+) KiB, packed \((\d+) where a browser takes no brotli\)/.exec(readFileSync('README.md', 'utf8'))!;
const TOLD = { br, gzip };

test.each(['br', 'gzip'] as const)(
  'all that a browser has to load, packed by %s, is within its bytes, and what README says',
  async (way) => {
    const { page, files } = await consoleAssets();
    const all = [page.open, ...files.values()].reduce((sum, { packed }) => sum + packed[way].length, 0);
    expect(all).toBeLessThanOrEqual(MOST_BYTES[way]);
    expect(String(Math.round(all / 1024))).toBe(TOLD[way]);
  },
);

test('its policy lets in nothing but its own files, and the page names no other', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  const answer = await fetch(gateway.url, { headers: { accept: 'text/html' } });
  const html = await answer.text();
  const policy = answer.headers.get('content-security-policy')!;
  expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'sha256-[\w+/]{43}='; style-src 'self'; /);
  expect(policy).toContain("base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  expect(policy).toContain("require-trusted-types-for 'script'; trusted-types 'none'");
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(html).not.toMatch(/https?:\/\//);
  const { imports } = JSON.parse(/<script type="importmap">(.*)<\/script>/.exec(html)![1]!) as { imports: Record<string, string> };
  const paths = [...[...html.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(([, path]) => path!), ...Object.values(imports)];
  expect(paths.length).toBeGreaterThan(15);
  for (const path of new Set(paths)) {
    const file = await fetch(gateway.url + path, { headers: { 'accept-encoding': 'gzip, br' } });
    expect([path, file.status, file.headers.get('content-encoding')]).toEqual([path, 200, 'br']);
    expect(file.headers.get('cache-control')).toContain('immutable');
    await file.arrayBuffer();
  }
  const plain = await fetch(gateway.url + paths[0], { headers: { 'accept-encoding': 'identity' } });
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect((await fetch(`${gateway.url}/console/0123456789ab/main.js`)).status).toBe(404);
  expect((await fetch(`${gateway.url}/console/../package.json`)).status).toBe(404);
});
