import { useState } from 'preact/hooks';
import { html } from '../html.js';
import { count, NONE, number, percent, rate, shortModel } from '../format.js';
import { Choice, Empty, Find, Meter, Panel, Problem, useLoaded } from '../parts.js';
import * as store from '../store.js';

/** @typedef {import('../../../http/pages/admin-answers.ts').AdminKeys['keys'][number]} Key */
/** @typedef {import('../../../usage/usage-report.ts').UsageReport['usage'][number]} Used */

const SPANS = [
  ['1h', 'An hour'],
  ['24h', 'A day'],
  ['7d', 'A week'],
  ['30d', 'A month'],
];
const MOST_SHOWN = 100;

/** @type {any} */
const NOTHING = { usage: [], problem: null };

export function Keys() {
  const [since, setSince] = useState('24h');
  const [wanted, setWanted] = useState('');
  const list = useLoaded(() => store.read('/admin/keys'), 10_000);
  // Without keys and budgets nothing is taken down, and to ask for it is an error.
  const isKept = list.value?.usage_kept === true;
  const usage = useLoaded(async () => (isKept ? await store.read(`/admin/usage?since=${since}`) : NOTHING), 10_000, [since, isKept]);
  if (list.value === null)
    return list.problem === null ? html`<p class="calm" role="status">Reading…</p>` : html`<${Problem} problem=${list.problem} />`;
  /** @type {{ keys: Key[], total: number, open: boolean }} */
  const { keys, total, open } = list.value;
  /** @type {Used[]} */
  const used = usage.value?.usage ?? [];
  if (total === 0 && used.length === 0 && store.limits.value.length === 0) {
    return html`<${Empty} title="No keys"
      >Anybody who reaches this gateway may use it. <code>headgate key new NAME</code> makes a key and shows the line for headgate.yaml.<//
    >`;
  }
  const words = wanted.trim().toLowerCase();
  const names = new Set(keys.map(({ name }) => name));
  const strangers = [...new Set(used.map(({ key }) => key))].filter((name) => !names.has(name));
  const rows = [...keys, ...(total > keys.length ? [] : strangers.map((name) => ({ name })))].filter(({ name }) =>
    name.toLowerCase().includes(words),
  );
  const most = Math.max(1, ...used.map(tokensOf));
  return html`<div class="filter">
      <${Find} label="Find keys" hint="Find a key" value=${wanted} set=${setWanted} />
      <${Choice} label="Used since" of=${SPANS} value=${since} set=${setSince} />
    </div>
    ${[list.problem, usage.problem, usage.value?.problem].map((problem) => problem && html`<${Problem} problem=${problem} />`)}
    <${Panel}
      title=${count(total, 'key')}
      aside=${html`<span class="aside">${open ? 'whoever has none is served, too' : 'nobody else is served'}</span>`}
    >
      <div class="scroll">
        <table class="cards">
          <thead>
            <tr>
              <th>Key</th>
              <th>May use</th>
              <th>Limits</th>
              <th>Nearest to a limit</th>
              <th class="num">Requests</th>
              <th class="num">Tokens</th>
            </tr>
          </thead>
          <tbody>
            ${rows.slice(0, MOST_SHOWN).map((key) => html`<${Row} key=${key.name} of=${key} used=${used.filter((row) => row.key === key.name)} isKept=${isKept} />`)}
          </tbody>
        </table>
      </div>
      ${rows.length === 0 && html`<p class="calm">None is called like that.</p>`}
      ${(rows.length > MOST_SHOWN || total > keys.length) && html`<p class="calm">These are the first ${number(Math.min(rows.length, MOST_SHOWN))}; <code>headgate key list</code> tells all.</p>`}
    <//>
    ${
      isKept &&
      html`<${Panel} title="Used, by model">
        ${
          used.length === 0
            ? html`<p class="calm">Nothing in that time.</p>`
            : html`<div class="scroll">
                <table class="cards">
                  <thead>
                    <tr>
                      <th>Key</th>
                      <th>Model</th>
                      <th class="num">Requests</th>
                      <th class="num">Read</th>
                      <th class="num">Cached</th>
                      <th class="num">Written</th>
                      <th class="share">Share</th>
                    </tr>
                  </thead>
                  <tbody>
                    ${used
                      .filter(({ key }) => key.toLowerCase().includes(words))
                      .slice(0, MOST_SHOWN)
                      .map(
                        (row) =>
                          html`<tr>
                            <td><strong>${row.key}</strong></td>
                            <td class="broad one" data-of="Model" title=${row.model}>${shortModel(row.model)}</td>
                            <td class="num" data-of="Requests">${number(row.requests)}</td>
                            <td class="num" data-of="Read">${number(row.prompt_tokens)}</td>
                            <td class="num" data-of="Cached">${number(row.cached_tokens)}</td>
                            <td class="num" data-of="Written">${number(row.completion_tokens)}</td>
                            <td class="share" data-of="Share">
                              <div class="meter" aria-hidden="true"><b style=${{ width: `${(tokensOf(row) / most) * 100}%` }}></b></div>
                            </td>
                          </tr>`,
                      )}
                  </tbody>
                </table>
              </div>`
        }
      <//>`
    }`;
}

/** @param {Used} row */
function tokensOf(row) {
  return row.prompt_tokens + row.completion_tokens;
}

/** `of`: a key, or the name alone of who has none, or has none any more. @param {{ of: Key | { name: string }, used: Used[], isKept: boolean }} props */
function Row({ of, used, isKept }) {
  const key = 'models' in of ? of : null;
  const near = store.limits.value.filter(({ name }) => name === of.name).toSorted((a, b) => b.share - a.share)[0];
  const sum = (/** @type {(row: Used) => number} */ what) => (isKept ? number(used.reduce((all, row) => all + what(row), 0)) : NONE);
  return html`<tr>
    <td>
      <strong>${of.name}</strong>
      <span class="tags">
        ${key?.admin && html`<span class="able">admin</span>`} ${key?.priority === 'batch' && html`<span class="able">batch</span>`}
        ${key?.expires_at && html`<span class=${key.expired ? 'able tone-bad' : 'able'}>${key.expired ? 'over since' : 'until'} ${key.expires_at.slice(0, 10)}</span>`}
        <small
          >${key === null ? (of.name === 'anonymous' ? 'who has no key' : 'no key any more') : `from ${key.from.split('/').at(-1)}`}</small
        >
      </span>
    </td>
    <td class="broad" data-of="May use">
      ${key === null ? NONE : key.models.includes('*') ? 'every model' : key.models.slice(0, 4).join(', ') + (key.models.length > 4 ? ` and ${key.models.length - 4} more` : '')}
    </td>
    <td class="broad" data-of="Limits">${key === null ? NONE : limitsOf(key)}</td>
    <td class="broad" data-of="Nearest to a limit">
      ${near === undefined ? NONE : html`<${Meter} label=${PER[near.limit] ?? near.limit} value=${near.share} tone=${near.share > 0.95 ? 'bad' : near.share > 0.8 ? 'warn' : ''} text=${percent(near.share)} />`}
    </td>
    <td class="num" data-of="Requests">${sum((row) => row.requests)}</td>
    <td class="num" data-of="Tokens">${sum(tokensOf)}</td>
  </tr>`;
}

/** @type {Record<string, string>} */
const PER = { requests: 'requests/min', tokens: 'tokens/min', concurrent: 'at once', day: 'tokens today', month: 'this month' };

/** @param {Key} key */
function limitsOf({ limits, on_limit: then }) {
  const told = [
    [limits.requests_per_minute, 'requests/min'],
    [limits.tokens_per_minute, 'tokens/min'],
    [limits.concurrent_requests, 'at once'],
    [limits.tokens_per_day, 'tokens/day'],
    [limits.tokens_per_month, 'tokens/month'],
  ].flatMap(([most, of]) => (most === null ? [] : [`${rate(/** @type {number} */ (most))} ${of}`]));
  return told.length === 0 ? 'none' : told.join(', ') + (then === 'wait' ? '; then it waits' : '');
}
