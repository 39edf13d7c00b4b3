import { html } from '../html.js';

export function Settings() {
  return html`<p>…</p>`;
}
