import { useState } from 'preact/hooks';
import { html } from '../html.js';
import { gib, number, seconds, sentence } from '../format.js';
import { Ask, Find, Panel, Problem, useLoaded } from '../parts.js';
import * as store from '../store.js';

/** @typedef {{ path: string, value: unknown, origin: string }} Setting */

export function Settings() {
  const [wanted, setWanted] = useState('');
  // All of them are a long way down on a phone.
  const [changedOnly, setChangedOnly] = useState(matchMedia('(max-width: 760px)').matches);
  const { value, problem, again } = useLoaded(() => store.read('/admin/config'), 0);
  const reload = async () => {
    const told = await store.order('/admin/reload');
    if (told === null) return;
    const { changed, needs_restart: later } = told;
    store.say(
      changed.length === 0 && later.length === 0
        ? 'Nothing has changed.'
        : `Changed: ${changed.join(', ') || 'nothing'}.${later.length > 0 ? ` After a restart: ${later.join(', ')}.` : ''}`,
    );
    again();
  };
  if (value === null) return problem === null ? html`<p class="calm" role="status">Reading…</p>` : html`<${Problem} problem=${problem} />`;
  const all = flat(value.settings);
  const words = wanted.trim().toLowerCase();
  const shown = all.filter(({ path, origin }) => (!changedOnly || origin !== 'default') && path.toLowerCase().includes(words));
  const sections = Map.groupBy(shown, ({ path }) => path.split(/[.[]/)[0]);
  return html`<p class="sub flush">
      ${value.file === null ? 'There is no settings file: these are the defaults, and what flags and the environment say.' : html`From <code>${value.file}</code>. Change it there, then read it anew: what can change live does, without a call lost.`}
    </p>
    ${value.warnings.map((/** @type {string} */ warning) => html`<div class="callout warn"><p>${warning}</p></div>`)}
    <div class="filter">
      <${Find} label="Find settings" hint="Find a setting" value=${wanted} set=${setWanted} />
      <button aria-pressed=${changedOnly} onClick=${() => setChangedOnly(!changedOnly)}>
        Only what was set (${number(all.filter(({ origin }) => origin !== 'default').length)})
      </button>
      <${Ask}
        label="Read anew"
        question="Read the settings anew?"
        detail="If something is wrong in them, nothing changes, and you are told what."
        act=${reload}
      />
    </div>
    ${shown.length === 0 && html`<p class="calm">No setting is called like that.</p>`}
    <div class="masonry">
      ${[...sections].map(
        ([section, settings]) =>
          html`<${Panel} title=${sentence(section)}>
            <dl class="settings">
              ${settings.map(
                ({ path, value: of, origin }) =>
                  html`<div class=${origin === 'default' ? '' : 'set'}>
                    <dt>${breakable(path.slice(section.length).replace(/^\./, '') || section)}</dt>
                    <dd>
                      <code>${text(of)}</code
                      >${hint(path, of)}${origin !== 'default' && html`<em title=${origin}>${origin.split('/').at(-1)}</em>`}
                    </dd>
                  </div>`,
              )}
            </dl>
          <//>`,
      )}
    </div>`;
}

/** @param {any} entry @param {string} [path] @returns {Setting[]} */
function flat(entry, path = '') {
  if (entry === null || typeof entry !== 'object') return [];
  if ('origin' in entry && 'value' in entry) return [{ path, value: entry.value, origin: String(entry.origin) }];
  if (Array.isArray(entry)) return entry.flatMap((item, i) => flat(item, `${path}[${i}]`));
  return Object.entries(entry).flatMap(([name, inner]) => flat(inner, path === '' ? name : `${path}.${name}`));
}

/** A name that may go on in the next line after a dot, or an underscore. @param {string} name */
function breakable(name) {
  return name.replace(/[._]/g, '$&\u200b');
}

/** What a large number means. @param {string} path @param {unknown} value */
function hint(path, value) {
  if (typeof value !== 'number' || value < 1000) return '';
  if (path.endsWith('_ms')) return html`<small>${seconds(value / 1000)}</small>`;
  if (path.endsWith('_bytes')) return html`<small>${value < 2 ** 30 ? `${number(value / 2 ** 20, 1)} MiB` : `${gib(value)} GiB`}</small>`;
  return '';
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
