import { number } from './format.js';
import { html } from './html.js';

// Moments, everywhere as the clock of whoever looks shows them; the zone, and UTC, which logs and commands use, stand beside them.

/** The zone of this browser at that moment, like UTC, UTC-5 or UTC+5:30. @param {number | string} at */
export function zone(at = Date.now()) {
  const ahead = -new Date(at).getTimezoneOffset();
  if (ahead === 0) return 'UTC';
  const [hours, minutes] = [Math.floor(Math.abs(ahead) / 60), Math.abs(ahead) % 60];
  return `UTC${ahead < 0 ? '-' : '+'}${hours}${minutes === 0 ? '' : `:${String(minutes).padStart(2, '0')}`}`;
}

/** @param {number | string} at */
function day(at) {
  return new Date(at).toLocaleDateString('sv-SE');
}

/** @param {number | string} at */
export function clockTime(at) {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** For a tooltip: the day and the zone as well, and the same in UTC. @param {number | string} at */
export function exactly(at) {
  const iso = new Date(at).toISOString();
  return `${day(at)} ${clockTime(at)} ${zone(at)} · ${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

/** A time of day, with its zone where `zoned`; the day too where it is not today. @param {{ at: number | string, zoned?: boolean }} props */
export function Time({ at, zoned = false }) {
  const other = day(at) === day(Date.now()) ? '' : `${day(at)} `;
  return html`<time title=${exactly(at)}>${other}${clockTime(at)}${zoned ? ` ${zone(at)}` : ''}</time>`;
}

/** How long ago, in the words of a glance. @param {number | string} at @param {number} [now] */
export function ago(at, now = Date.now()) {
  const minutes = Math.floor((now - new Date(at).getTime()) / 60_000);
  if (minutes < 1) return 'just now';
  return minutes < 90 ? `${minutes} min ago` : `${number(minutes / 60)} h ago`;
}
