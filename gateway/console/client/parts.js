import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';

/** @param {{ tone?: string, children?: any, title?: string }} props */
export function Pill({ tone = 'plain', children, title }) {
  return html`<span class=${`pill ${tone}`} title=${title}><i aria-hidden="true"></i>${children}</span>`;
}

/** How the state of a worker, or of a model, is to be taken. @param {string} state */
export function toneOf(state) {
  if (state === 'ready' || state === 'closed' || state === 'completed') return 'good';
  if (['failed', 'open', 'expired'].includes(state)) return 'bad';
  if (['starting', 'warming', 'loading', 'in_progress', 'validating', 'finalizing'].includes(state)) return 'busy';
  if (['backoff', 'draining', 'stopping', 'half_open', 'cancelling'].includes(state)) return 'warn';
  return 'plain';
}

/** A share of something, 0 to 1. @param {{ value: number | null, label: string, tone?: string, text?: any }} props */
export function Meter({ value, label, tone = '', text }) {
  const share = value === null ? 0 : Math.min(1, Math.max(0, value));
  return html`<div class="meter-row">
    <span class="meter-label">${label}</span>
    <div
      class=${`meter ${tone}`}
      role="meter"
      aria-label=${label}
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${Math.round(share * 100)}
    >
      <b style=${{ width: `${share * 100}%` }}></b>
    </div>
    <span class="meter-text">${text}</span>
  </div>`;
}

/** @param {{ title: any, children?: any, aside?: any, wide?: boolean, cls?: string }} props */
export function Panel({ title, children, aside, wide = false, cls = '' }) {
  return html`<section class=${`panel ${wide ? 'wide' : ''} ${cls}`}>
    <header>
      <h2>${title}</h2>
      ${aside}
    </header>
    ${children}
  </section>`;
}

/** What stands where there is nothing. @param {{ title: string, children?: any }} props */
export function Empty({ title, children }) {
  return html`<div class="empty">
    <${Waves} />
    <h2>${title}</h2>
    <p>${children}</p>
  </div>`;
}

export function Waves() {
  return html`<svg class="waves" viewBox="0 0 120 32" aria-hidden="true">
    <path d="M2 10q9.5-9 19 0t19 0 19 0 19 0 19 0 19 0" />
    <path d="M2 22q9.5-9 19 0t19 0 19 0 19 0 19 0 19 0" />
  </svg>`;
}

/** Where words are typed that what is shown must have. @param {{ label: string, hint: string, value: string, set: (text: string) => void }} props */
export function Find({ label, hint, value, set }) {
  return html`<input
    type="search"
    aria-label=${label}
    placeholder=${hint}
    value=${value}
    onInput=${(/** @type {any} */ event) => set(event.target.value)}
  />`;
}

/** One of several, each with its word. @param {{ label: string, of: string[][], value: string, set: (one: string) => void }} props */
export function Choice({ label, of, value, set }) {
  return html`<div class="actions" role="group" aria-label=${label}>
    ${of.map(([one, word]) => html`<button aria-pressed=${value === one} onClick=${() => set(one)}>${word}</button>`)}
  </div>`;
}

/**
 * A button that asks before it does what cannot be taken back.
 * @param {{ label: string, question: string, detail?: string, act: () => any, tone?: string, disabled?: boolean }} props
 */
export function Ask({ label, question, detail = '', act, tone = '', disabled = false }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const close = () => dialog.current?.close();
  const go = () => {
    close();
    act();
  };
  return html`<button class=${tone} disabled=${disabled} onClick=${() => dialog.current?.showModal()}>${label}</button>
    <dialog ref=${dialog} aria-label=${question}>
      <h2>${question}</h2>
      <p>${detail}</p>
      <div class="actions">
        <button class="primary" onClick=${go}>${label}</button>
        <button onClick=${close}>Leave it</button>
      </div>
    </dialog>`;
}

/**
 * Something that is asked for, again and again while it is looked at.
 * @template T @param {() => Promise<T>} load @param {number} everyMs 0: once @param {any[]} [inputs]
 * @returns {{ value: T | null, problem: string | null, again: () => void }}
 */
export function useLoaded(load, everyMs, inputs = []) {
  const [state, setState] = useState(/** @type {{ value: T | null, problem: string | null }} */ ({ value: null, problem: null }));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isOver = false;
    /** @type {any} */
    let timer;
    const go = async () => {
      try {
        const value = await load();
        if (!isOver) setState({ value, problem: null });
      } catch (error) {
        if (!isOver) setState(({ value }) => ({ value, problem: error instanceof Error ? error.message : String(error) }));
      }
      if (!isOver && everyMs > 0) timer = setTimeout(go, everyMs);
    };
    void go();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [turn, ...inputs]);
  return { ...state, again: () => setTurn((now) => now + 1) };
}

/** @param {{ problem: string }} props */
export function Problem({ problem }) {
  return html`<p class="problem" role="alert">${problem}</p>`;
}

/** A line of the last minutes, for the eye alone. `most`: what the top is; default: the most that there was. @param {{ values: (number | null)[], most?: number, caption?: string }} props */
export function Spark({ values, most, caption }) {
  const seen = values.slice(-240);
  const top = most ?? Math.max(1e-9, ...seen.map((value) => value ?? 0));
  const step = 240 / Math.max(1, seen.length - 1);
  let [line, area, begun] = ['', '', ''];
  seen.forEach((value, i) => {
    if (value === null) return;
    const x = (i * step).toFixed(1);
    const at = `${x} ${(34 - (Math.min(top, value) / top) * 31).toFixed(1)}`;
    const next = seen[i + 1] ?? null;
    line += (begun === '' ? 'M' : 'L') + at;
    area += begun === '' ? `M${x} 36L${at}` : `L${at}`;
    begun = x;
    if (next === null) {
      area += `L${x} 36Z`;
      begun = '';
    }
  });
  return html`<figure>
    <svg class="spark" viewBox="0 0 240 36" preserveAspectRatio="none" aria-hidden="true">
      <path class="area" d=${area} />
      <path d=${line} />
    </svg>
    ${caption && html`<figcaption>${caption}</figcaption>`}
  </figure>`;
}
