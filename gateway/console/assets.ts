import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { VERSION } from '../core/version.ts';
import { asOneModule } from './one-module.ts';

/** A file of the console as it is sent. */
export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  /** By the name that clients ask for it by: for those that they are sent to over TLS, or on this machine, and for any. */
  readonly packed: { readonly br: Buffer; readonly gzip: Buffer };
}

export interface Assets {
  /** For whoever has signed in, and for others: so that the page need not try. */
  readonly page: { readonly open: Asset; readonly shut: Asset };
  /** Of the page: nothing but what is ours runs, loads or is spoken to. */
  readonly policy: string;
  /** By path. The paths hold a hash of all of them, so that each may be kept for good. */
  readonly files: ReadonlyMap<string, Asset>;
}

const CLIENT = fileURLToPath(new URL('client', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** Modules of packages, under the names that the console's own import. */
const MODULES: Readonly<Record<string, () => string>> = {
  preact: () => packaged('preact'),
  'preact/hooks': () => packaged('preact/hooks'),
  '@preact/signals-core': () => packaged('@preact/signals-core'),
  '@preact/signals': () => packaged('@preact/signals'),
  htm: () => packaged('htm'),
  // Its module is twice as long as what it offers for script elements.
  uplot: () => `${beside('uplot', 'uPlot.iife.min.js')}\nexport default uPlot;\n`,
};

let assets: Promise<Assets> | null = null;

/** Read when they are first asked for, and packed beside what else goes on. Rejects when a file of the installation is missing. */
export function consoleAssets(): Promise<Assets> {
  return (assets ??= readAssets());
}

async function readAssets(): Promise<Assets> {
  const texts = new Map(Object.entries(MODULES).map(([name, read]) => [`lib/${fileName(name)}`, withoutMap(read())]));
  const own = new Map<string, string>();
  for (const path of readdirSync(CLIENT, { recursive: true, encoding: 'utf8' }).toSorted()) {
    if (!/\.(?:js|css|svg)$/.test(path)) continue;
    const text = bare(readFileSync(join(CLIENT, path), 'utf8'));
    if (path.endsWith('.js') && path !== 'theme.js') own.set(path.replaceAll('\\', '/'), text);
    else texts.set(path, path.endsWith('.css') ? tight(text) : text);
  }
  texts.set('main.js', asOneModule(own, 'main.js'));
  const all = createHash('sha256').update(VERSION);
  for (const [path, text] of texts) all.update(path).update(text);
  const base = `/console/${all.digest('hex').slice(0, 12)}`;
  const files = new Map(
    await Promise.all(
      [...texts].map(async ([path, text]) => [`${base}/${path}`, await asset(TYPES[path.split('.').at(-1)!]!, text)] as const),
    ),
  );
  const map = JSON.stringify({
    imports: Object.fromEntries(Object.keys(MODULES).map((name) => [name, `${base}/lib/${fileName(name)}`])),
  });
  const page = (door: 'open' | 'shut'): Promise<Asset> => asset('text/html; charset=utf-8', pageText(base, map, door));
  return { page: { open: await page('open'), shut: await page('shut') }, policy: policyFor(map), files };
}

/** The one page. What is put in is ours. */
function pageText(base: string, map: string, door: 'open' | 'shut'): string {
  const ahead = [...Object.keys(MODULES).map((name) => `lib/${fileName(name)}`), 'main.js'];
  return `<!doctype html>
<html lang="en" data-door="${door}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Headgate</title>
<link rel="icon" href="${base}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${base}/console.css">
<script src="${base}/theme.js"></script>
<script type="importmap">${map}</script>
${ahead.map((path) => `<link rel="modulepreload" href="${base}/${path}">`).join('\n')}
<body>
<div id="console"></div>
<noscript>
<h1>Headgate</h1>
<p>The console needs JavaScript. Without it: <a href="/v1/models">/v1/models</a>, <a href="/stats">/stats</a>, <a href="/readyz?verbose">/readyz?verbose</a>, or "headgate status" at a prompt.</p>
</noscript>
<script type="module" src="${base}/main.js"></script>
</body>
</html>
`;
}

function policyFor(map: string): string {
  const hash = createHash('sha256').update(map).digest('base64');
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

async function asset(type: string, text: string): Promise<Asset> {
  const bytes = Buffer.from(text);
  const [br, zipped] = await Promise.all([promisify(brotliCompress)(bytes), promisify(gzip)(bytes, { level: 9 })]);
  return { type, bytes, packed: { br, gzip: zipped } };
}

function packaged(name: string): string {
  return readFileSync(fileURLToPath(import.meta.resolve(name)), 'utf8');
}

function beside(name: string, file: string): string {
  return readFileSync(join(dirname(fileURLToPath(import.meta.resolve(name))), file), 'utf8');
}

function fileName(name: string): string {
  return `${name.replace('@', '').replaceAll('/', '-')}.js`;
}

/** There is none at the address where a browser would look for it. */
function withoutMap(text: string): string {
  return text.replace(/^\/\/# sourceMappingURL=.*$/m, '');
}

/** Without what only those read who open the source: comments that have lines of their own, indents, and line ends between tags. */
function bare(text: string): string {
  return text
    .replace(/^ *\/\*(?:(?!\*\/)[^])*\*\/ *\n/gm, '')
    .replace(/^ *\/\/ .*\n/gm, '')
    .replace(/\/\*\* @(?:(?!\*\/)[^])*\*\/ ?/g, '')
    .replace(/^ +/gm, '')
    .replace(/([>}])\n</g, '$1<');
}

/** Of a style sheet, without the spaces and line ends that mean nothing. No text in it has such signs. */
function tight(text: string): string {
  return text
    .replace(/\s*([{};,>])\s*/g, '$1')
    .replace(/:\s+/g, ':')
    .replaceAll(';}', '}');
}
