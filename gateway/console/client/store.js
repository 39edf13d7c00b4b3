import { computed, signal } from '@preact/signals';
import * as history from './history.js';

/** @typedef {import('../../http/pages/admin-answers.ts').AdminStatus} Status */
/** @typedef {import('../call-facts.ts').EndedCall} Ended */
/** @typedef {import('../call-facts.ts').CallFacts} Facts */

const MOST_ENDED = 300;
/** Of those that were refused before they became calls: they must not push out the others. */
const MOST_EARLY = 100;
/** Three seconds without a word: what is shown may not be so any more. */
const STALE_MS = 3_500;

/** loading: nothing yet · out: who looks has not signed in · live · stale: what is shown is old · lost: it was refused, or nobody answers */
export const link = signal(/** @type {'loading' | 'out' | 'live' | 'stale' | 'lost'} */ ('loading'));
const LOST = 'The connection is lost.';
const SILENT = 'The gateway does not answer.';
/** Why nothing comes. */
export const why = signal(LOST);
/** Why who had signed in has to do so again. */
export const whyOut = signal(/** @type {string | null} */ (null));
/** The wall clock when something was heard last. */
export const heardAt = signal(0);
export const status = signal(/** @type {Status | null} */ (null));
export const live = signal(/** @type {readonly Facts[]} */ ([]));
/** Newest first. */
export const ended = signal(/** @type {readonly Ended[]} */ ([]));
export const breakers = signal(/** @type {Record<string, import('../observer.ts').Breaker>} */ ({}));
export const limits = signal(/** @type {import('../observer.ts').Moment['limits']} */ ([]));
/** What is on record, newest first. */
export const happenings = signal(/** @type {readonly import('../happenings.ts').Happening[]} */ ([]));
/** When the status came, in the page's own milliseconds: what goes on by itself is counted from there. */
export const statusAt = signal(0);
/** What is said aloud, and shown for a while. */
export const notice = signal(/** @type {{ text: string, bad: boolean, at: number } | null} */ (null));

/** A name that is short where all begin alike. */
export const workerIds = computed(() => (status.value?.workers ?? []).map(({ id }) => id));

/** @type {EventSource | null} */
let source = null;
let heardNow = 0;

export function connect() {
  leave();
  // Until the first word comes it has as long as for any other.
  heardNow = performance.now();
  source = new EventSource('/admin/events');
  source.addEventListener('snapshot', (event) => {
    const data = JSON.parse(event.data);
    history.begin(data.history);
    tellStatus(data.status);
    live.value = data.live;
    breakers.value = data.breakers;
    limits.value = data.limits;
    ended.value = newestFirst(data.ended);
    happenings.value = data.happenings.toReversed();
    heard();
  });
  source.addEventListener('delta', (event) => {
    const data = JSON.parse(event.data);
    data.points.forEach(history.add);
    if (data.status) tellStatus({ ...status.value, ...data.status });
    live.value = data.live;
    if (data.breakers) breakers.value = data.breakers;
    if (data.limits) limits.value = data.limits;
    if (data.happenings) happenings.value = data.happenings.toReversed();
    if (data.ended.length > 0) {
      const known = new Set(ended.value.map(({ id, at }) => `${id} ${at}`));
      const news = data.ended.filter((/** @type {Ended} */ { id, at }) => !known.has(`${id} ${at}`));
      ended.value = newestFirst([...ended.value, ...news]);
    }
    heard();
  });
  source.addEventListener('error', () => void onTrouble());
}

function leave() {
  source?.close();
  source = null;
}

/** Who does not look needs no news. */
function attend() {
  if (document.hidden) leave();
  else if (source === null && link.value !== 'out') connect();
}

/** @param {Ended[]} calls */
function newestFirst(calls) {
  let [early, whole] = [0, 0];
  return calls
    .toSorted((a, b) => b.at + b.duration_ms - (a.at + a.duration_ms))
    .filter(({ priority }) => (priority === '' ? ++early <= MOST_EARLY : ++whole <= MOST_ENDED));
}

function heard() {
  heardNow = performance.now();
  heardAt.value = Date.now();
  link.value = 'live';
  why.value = LOST;
}

async function onTrouble() {
  if (source?.readyState !== EventSource.CLOSED) {
    link.value = 'stale';
    why.value = LOST;
    return;
  }
  // It is over for the browser, which does not tell why.
  source = null;
  const answer = await fetch('/admin/events').catch(() => null);
  if (answer?.status === 401 || answer?.status === 403) return goOut(answer);
  if (answer?.ok) void answer.body?.cancel();
  const body = answer === null || answer.ok ? null : await answer.json().catch(() => null);
  why.value = body?.error?.message ?? LOST;
  link.value = 'lost';
  setTimeout(attend, 2_000);
}

/** @param {Response} answer */
async function goOut(answer) {
  // It would go on, and open the door again.
  leave();
  const body = answer.status === 403 ? await answer.json().catch(() => null) : null;
  whyOut.value = body?.error?.message ?? 'You are signed out: the key is another now, or a week is over.';
  link.value = 'out';
}

setInterval(() => {
  if (link.value === 'live' && !document.hidden && performance.now() - heardNow > STALE_MS) link.value = 'stale';
}, 1_000);

document.addEventListener('visibilitychange', attend);

/** @param {Status} next */
function tellStatus(next) {
  const before = status.value;
  status.value = next;
  statusAt.value = performance.now();
  if (before === null) return;
  for (const worker of next.workers) {
    const was = before.workers.find(({ id }) => id === worker.id);
    if (!was || was.state === worker.state) continue;
    if (worker.state === 'ready') say(`${worker.id} is ready.`);
    if (['failed', 'backoff'].includes(worker.state)) say(`${worker.id}: ${worker.last_failure?.message ?? 'its engine has ended'}`, true);
  }
}

/** @param {string} text @param {boolean} [bad] */
export function say(text, bad = false) {
  const mine = { text, bad, at: Date.now() };
  notice.value = mine;
  setTimeout(() => {
    if (notice.value === mine) notice.value = null;
  }, 7_000);
}

/** Asks for what an operator may have. @param {string} path @param {RequestInit} [how] @returns {Promise<any>} */
export async function read(path, how) {
  const answer = await fetch(path, how).catch(() => null);
  if (answer === null) throw new Error(SILENT);
  if (answer.status === 401) await goOut(answer);
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(body?.error?.message ?? `The gateway answered ${answer.status}.`);
  return body;
}

/** Tells the gateway to do something, and the operator what came of it. @param {string} path @returns {Promise<any>} */
export async function order(path) {
  try {
    const body = await read(path, { method: 'POST' });
    say(body?.message ?? 'Done.');
    return body;
  } catch (error) {
    if (link.value !== 'out') say(/** @type {Error} */ (error).message, true);
    return null;
  }
}

/** @param {string} key @returns {Promise<string | null>} why not; null: it is open */
export async function signIn(key) {
  try {
    const answer = await fetch('/console/session', { method: 'POST', headers: { authorization: `Bearer ${key}` } });
    if (answer.ok) {
      link.value = 'loading';
      connect();
      return null;
    }
    return (await answer.json()).error.message;
  } catch {
    return SILENT;
  }
}

export async function signOut() {
  await fetch('/console/session', { method: 'DELETE' }).catch(() => null);
  leave();
  status.value = null;
  whyOut.value = null;
  link.value = 'out';
}
