import { html } from '../html.js';

export function Calls() {
  return html`<p>…</p>`;
}
