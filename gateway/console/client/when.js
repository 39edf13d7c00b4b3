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
export function clockTime(at) {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** For a tooltip: the day and the zone as well, and the same in UTC. @param {number | string} at */
export function exactly(at) {
  const day = new Date(at).toLocaleDateString('sv-SE');
  const own = zone(at);
  const iso = new Date(at).toISOString();
  return `${day} ${clockTime(at)} ${own}${own === 'UTC' ? '' : ` · ${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`}`;
}

/** A time of day, with its zone where `zoned`; the day too where it is not today. @param {{ at: number | string, zoned?: boolean }} props */
export function Time({ at, zoned = false }) {
  const day = new Date(at).toLocaleDateString('sv-SE');
  const other = day === new Date().toLocaleDateString('sv-SE') ? '' : `${day} `;
  return html`<time datetime=${new Date(at).toISOString()} title=${exactly(at)}
    >${other}${clockTime(at)}${zoned ? ` ${zone(at)}` : ''}</time
  >`;
}

/** How long ago, in the words of a glance. @param {number | string} at @param {number} [now] */
export function ago(at, now = Date.now()) {
  const minutes = Math.floor((now - new Date(at).getTime()) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 90) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.round(hours / 24)} days ago`;
}
