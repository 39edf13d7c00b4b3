import { html } from '../html.js';
import { Panel } from '../parts.js';
import * as store from '../store.js';
import { Time } from '../when.js';

/** @typedef {import('../../happenings.ts').Happening} Happening */

/** What has happened here lately, as `headgate events` tells it, newest first. */
export function Happenings() {
  const all = store.happenings.value;
  return html`<${Panel}
    title="Events"
    wide
    aside=${html`<span class="aside">the last ${all.length}; all: <code>headgate events</code></span>`}
  >
    ${
      all.length === 0
        ? html`<p class="calm">Nothing is on record yet.</p>`
        : html`<ol class="events" tabindex="0" aria-label="Events, newest first">
            ${all.map((one) => html`<${Line} key=${`${one.at} ${one.text}`} one=${one} />`)}
          </ol>`
    }
  <//>`;
}

/** @param {{ one: Happening }} props */
function Line({ one }) {
  const tone = one.level === 'error' || one.level === 'fatal' ? 'bad' : one.level === 'warn' ? 'warn' : '';
  return html`<li class=${tone}>
    <${Time} at=${one.at} />
    <p>
      ${tone !== '' && html`<b>${tone === 'bad' ? 'Error' : 'Warning'}</b>`} ${one.text}
      ${one.advice !== null && html`<span>${one.advice}</span>`}
    </p>
  </li>`;
}
