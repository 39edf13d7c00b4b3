import { useState } from 'preact/hooks';
import { html } from '../html.js';
import { NONE, number, percent, shortModel } from '../format.js';
import { Empty, Meter, Panel, Problem, useLoaded } from '../parts.js';
import * as store from '../store.js';

const SPANS = [
  ['1h', 'An hour'],
  ['24h', 'A day'],
  ['7d', 'A week'],
  ['30d', 'A month'],
];

/** @type {any} */
const NOTHING = { usage: [], problem: null };

export function Keys() {
  const [since, setSince] = useState('24h');
  const config = useLoaded(() => store.read('/admin/config'), 0);
  // Without keys and budgets nothing is taken down, and to ask for it is an error.
  const isKept = config.value !== null && takesDown(config.value.settings);
  const usage = useLoaded(async () => (isKept ? await store.read(`/admin/usage?since=${since}`) : NOTHING), 10_000, [since, isKept]);
  const keys = keysIn(config.value?.settings?.auth?.keys);
  const limits = store.limits.value;
  const rows = usage.value?.usage ?? [];
  if (config.value !== null && keys.length === 0 && rows.length === 0 && limits.length === 0) {
    return html`<${Empty} title="No keys"
      >Anybody who reaches this gateway may use it. <code>headgate key new NAME</code> makes a key and shows the line for headgate.yaml.<//
    >`;
  }
  const most = Math.max(1, ...rows.map((/** @type {any} */ row) => row.prompt_tokens + row.completion_tokens));
  return html`<${Panel}
      title="Used"
      aside=${html`<div class="actions" role="group" aria-label="Since when">${SPANS.map(([span, name]) => html`<button aria-pressed=${since === span} onClick=${() => setSince(span)}>${name}</button>`)}</div>`}
    >
      ${usage.problem !== null && html`<p class="calm">${usage.problem}</p>`}
      ${usage.value?.problem && html`<${Problem} problem=${usage.value.problem} />`}
      ${
        rows.length === 0
          ? usage.problem === null && html`<p class="calm">Nothing yet.</p>`
          : html`<div class="scroll">
              <table>
                <thead>
                  <tr>
                    <th>Key</th>
                    <th>Model</th>
                    <th class="num">Requests</th>
                    <th class="num">Read</th>
                    <th class="num">of which cached</th>
                    <th class="num">Written</th>
                    <th class="share">Share</th>
                  </tr>
                </thead>
                <tbody>
                  ${rows.map(
                    (/** @type {any} */ row) =>
                      html`<tr>
                        <td><strong>${row.key}</strong></td>
                        <td>${shortModel(row.model)}</td>
                        <td class="num">${number(row.requests)}</td>
                        <td class="num">${number(row.prompt_tokens)}</td>
                        <td class="num">${number(row.cached_tokens)}</td>
                        <td class="num">${number(row.completion_tokens)}</td>
                        <td class="share">
                          <div class="meter" aria-hidden="true">
                            <b style=${{ width: `${((row.prompt_tokens + row.completion_tokens) / most) * 100}%` }}></b>
                          </div>
                        </td>
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>`
      }
    <//>
    <div class="grid two">
      <${Panel} title="Keys">
        ${config.problem !== null && html`<${Problem} problem=${config.problem} />`}
        ${keys.length === 0 && html`<p class="calm">None in the settings.</p>`}
        <ul class="lines">
          ${keys.map(
            (key) =>
              html`<li>
                <strong>${key.name}</strong>
                <span>${key.models.join(', ')}</span>
                <span class="tags"
                  >${key.admin && html`<span class="able">admin</span>`}${key.priority === 'batch' && html`<span class="able">batch</span>`}${key.expires && html`<span class="able">until ${key.expires.slice(0, 10)}</span>`}</span
                >
              </li>`,
          )}
        </ul>
      <//>
      <${Panel} title="Limits, how much is used">
        ${limits.length === 0 ? html`<p class="calm">Nobody with a limit has called lately.</p>` : html`<div class="meters">${limits.map(({ name, limit, share }) => html`<${Meter} label=${`${name}`} value=${share} tone=${share > 0.95 ? 'bad' : share > 0.8 ? 'warn' : ''} text=${`${limit.replaceAll('_', ' ')} ${share === null ? NONE : percent(share)}`} />`)}</div>`}
      <//>
    </div>`;
}

/** Settings come with their origin beside each. @param {any} list @returns {{ name: string, models: string[], admin: boolean, priority: string, expires: string | null }[]} */
function keysIn(list) {
  const all = Array.isArray(list) ? list : (list?.value ?? []);
  return all.map((/** @type {any} */ key) => ({
    name: plain(key.name),
    models: [plain(key.models)].flat().map(plain),
    admin: plain(key.admin) === true,
    priority: plain(key.priority),
    expires: plain(key.expires_at) ?? null,
  }));
}

/** @param {any} settings */
function takesDown({ auth, limits }) {
  const { tokens_per_day: ofDay, tokens_per_month: ofMonth } = limits?.anonymous ?? {};
  return keysIn(auth?.keys).length > 0 || [auth?.keys_file, ofDay, ofMonth].some((entry) => (plain(entry ?? null) ?? null) !== null);
}

/** @param {any} entry */
function plain(entry) {
  return entry !== null && typeof entry === 'object' && 'value' in entry ? entry.value : entry;
}
