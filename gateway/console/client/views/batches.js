import { html } from '../html.js';

export function Batches() {
  return html`<p>…</p>`;
}
