import { html } from '../html.js';
import { Panel } from '../parts.js';
import * as store from '../store.js';
import { Time } from '../when.js';

/** @typedef {import('../../happenings.ts').Happening} Happening */

/** What has happened here lately, as `headgate events` tells it, newest first. */
export function Happenings() {
  const all = store.happenings.value;
  return html`<${Panel} title="Events" wide aside=${html`<code>headgate events</code>`}>
    ${
      all.length === 0
        ? html`<p class="calm">Nothing is on record yet.</p>`
        : html`<ul class="events" tabindex="0" aria-label="Events, newest first">
            ${all.map((one) => html`<${Line} key=${`${one.at} ${one.text}`} one=${one} />`)}
          </ul>`
    }
  <//>`;
}

/** @param {{ one: Happening }} props */
function Line({ one }) {
  const { level, text, advice } = one;
  return html`<li>
    <${Time} at=${one.at} />
    <p>${level !== 'info' && html`<b class=${level}>${level}</b>`} ${text} ${advice !== null && html`<span>${advice}</span>`}</p>
  </li>`;
}
