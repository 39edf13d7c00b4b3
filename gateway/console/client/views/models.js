import { html } from '../html.js';

export function Models() {
  return html`<p>…</p>`;
}
