import type { HttpAnswer } from '../http-env.ts';

interface Signpost {
  readonly path: string;
  readonly what: string;
}

const API: readonly Signpost[] = [
  { path: '/v1/models', what: 'the models; an OpenAI client takes /v1 of this address as its base URL' },
  { path: '/stats', what: 'queue, workers, breakers and tokens as JSON' },
];
const MACHINES: readonly Signpost[] = [
  { path: '/readyz?verbose', what: 'whether it can serve, and what is missing' },
  { path: '/metrics', what: 'for Prometheus' },
  { path: '/version', what: 'versions' },
];
const OPERATORS: readonly Signpost[] = [
  { path: '/console', what: 'the console, for a browser; asks for the admin key' },
  { path: '/admin/status', what: 'what "headgate status" shows; asks for the admin key' },
];

/**
 * What answers at the address itself, where the line that says "ready" leads people: what this is, and where to go. A page for browsers, JSON
 * for anything else; nothing that the paths it names do not tell anyway.
 */
export function front(version: string, surface: 'api' | 'admin' | 'both'): HttpAnswer {
  const signs = [...(surface === 'admin' ? [] : API), ...MACHINES, ...(surface === 'api' ? [] : OPERATORS)];
  const json = { name: 'headgate', version, paths: Object.fromEntries(signs.map(({ path, what }) => [path, what])) };
  const html = page(version, signs);
  return (c) => {
    c.header('vary', 'accept');
    if (c.req.header('accept')?.includes('text/html') !== true) return c.json(json);
    c.header('content-security-policy', "default-src 'none'");
    return c.html(html);
  };
}

/** What is put in is ours: no client's text comes here. */
function page(version: string, signs: readonly Signpost[]): string {
  const rows = signs.map(({ path, what }) => `<li><a href="${path}">${path}</a>: ${what.replaceAll('"', '&quot;')}</li>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Headgate</title>
<h1>Headgate ${version}</h1>
<p>A gateway in front of vLLM. It speaks OpenAI's API.</p>
<ul>
${rows.join('\n')}
</ul>
</html>
`;
}
