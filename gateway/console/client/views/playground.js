import { html } from '../html.js';

export function Playground() {
  return html`<p>…</p>`;
}
