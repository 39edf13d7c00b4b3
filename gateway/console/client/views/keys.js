import { html } from '../html.js';

export function Keys() {
  return html`<p>…</p>`;
}
