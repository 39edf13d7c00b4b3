import { useState } from 'preact/hooks';
import { Legend } from '../chart.js';
import { html } from '../html.js';
import { millis, NONE, number, sentence, shortModel } from '../format.js';
import { Choice, Empty, Find, Panel, Pill } from '../parts.js';
import * as store from '../store.js';
import { clockTime, exactly, zone } from '../when.js';

/** @typedef {store.Facts} Facts */

const PARTS = [
  { label: 'queue', tone: 'amber' },
  { label: 'window', tone: 'violet' },
  { label: 'failed attempt', tone: 'rose' },
  { label: 'first token', tone: 'ink-3' },
  { label: 'stream', tone: 'water' },
];
const MOST_SHOWN = 60;
const KINDS = ['all', 'answered', 'refused', 'broken'];

export function Calls() {
  const [wanted, setWanted] = useState('');
  // Where another view leads here, it says which.
  const asked = location.hash.split('/')[2] ?? '';
  const [kind, setKind] = useState(KINDS.includes(asked) ? asked : 'all');
  const [open, setOpen] = useState('');
  const live = store.live.value;
  const all = store.ended.value;
  const words = wanted.trim().toLowerCase();
  const fits = (/** @type {Facts} */ call) =>
    (words === '' ||
      [
        call.id,
        call.model,
        call.fallback ?? '',
        call.key ?? '',
        call.route,
        call.reason ?? '',
        String(call.status ?? ''),
        call.attempts.at(-1)?.worker ?? '',
      ].some((text) => text.toLowerCase().includes(words))) &&
    (kind === 'all' || kindOf(call) === kind);
  const ended = all.filter(fits).slice(0, MOST_SHOWN);
  if (all.length === 0 && live.length === 0) {
    return html`<${Empty} title="No call yet"
      >Each one shows here while it lasts, and the last three hundred after they have ended, with a hundred that were refused at the door:
      when and where, never what was said. <a href="#/try">Try one</a>.<//
    >`;
  }
  const flowing = live.filter((call) => kind === 'all' && fits(call));
  const longest = Math.max(1, ...[...flowing, ...ended].map(({ duration_ms: ms }) => ms));
  const rows = (/** @type {readonly Facts[]} */ calls) =>
    calls.map(
      (call) =>
        html`<${Row}
          key=${`${call.id} ${call.at}`}
          call=${call}
          longest=${longest}
          isOpen=${open === call.id}
          toggle=${() => setOpen(open === call.id ? '' : call.id)}
        />`,
    );
  return html`<div class="filter">
      <${Find} label="Find calls" hint="Id, model, key, worker…" value=${wanted} set=${setWanted} />
      <${Choice} label="Which calls" of=${KINDS.map((name) => [name, sentence(name)])} value=${kind} set=${setKind} />
    </div>
    <${Panel} title=${`In flight: ${number(live.length)}`} aside=${html`<${Legend} lines=${PARTS} />`}>
      ${flowing.length === 0 ? html`<p class="calm">Nothing at the moment.</p>` : html`<${Table} rows=${rows(flowing)} />`}
    <//>
    <${Panel}
      title="Ended"
      aside=${html`<span class="aside">${number(ended.length)} of the last ${number(all.length)}; bars grow with the square root of the time</span>`}
    >
      ${ended.length === 0 ? html`<p class="calm">None of them is like that.</p>` : html`<${Table} rows=${rows(ended)} />`}
    <//>`;
}

/** @param {Facts} call */
function kindOf({ outcome, status }) {
  if (outcome === 'refused') return 'refused';
  return outcome === 'broken' || outcome === 'disconnected' || (status ?? 0) >= 400 ? 'broken' : 'answered';
}

/** @param {{ rows: any }} props */
function Table({ rows }) {
  return html`<div class="scroll">
    <table class="calls">
      <thead>
        <tr>
          <th title=${`In ${zone()}`}>Came at</th>
          <th>Model</th>
          <th>Key</th>
          <th>State</th>
          <th class="way">Its way</th>
          <th class="num">Took</th>
          <th class="num">Tokens</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

/** @param {{ call: Facts, longest: number, isOpen: boolean, toggle: () => void }} props */
function Row({ call, longest, isOpen, toggle }) {
  const [tone, word] = stateOf(call);
  return html`<tr class=${isOpen ? 'open' : ''}>
      <td class="at">
        <button class="link" title=${exactly(call.at)} aria-expanded=${isOpen} onClick=${toggle}>${clockTime(call.at)}</button>
      </td>
      <td class="about" title=${call.model || call.route}>
        ${call.model ? shortModel(call.model) : html`<small>${call.route === 'unknown' ? 'no such URL' : call.route}</small>`}${call.fallback && html` <span class="tag">→ ${shortModel(call.fallback)}</span>`}${call.line && html` <span class="tag">batch</span>`}
      </td>
      <td class="key" title=${call.key}>${call.key ?? NONE}</td>
      <td class="state"><${Pill} tone=${tone} title=${word}>${word}<//></td>
      <td class="way"><${Way} call=${call} longest=${longest} /></td>
      <td class="num took">${millis(call.duration_ms)}</td>
      <td class="num tokens">${number(call.output_tokens)}</td>
    </tr>
    ${
      isOpen &&
      html`<tr class="more">
        <td colspan="7"><${More} call=${call} /></td>
      </tr>`
    }`;
}

/** @param {Facts} call @returns {[string, string]} */
function stateOf({ outcome, phase, status, reason }) {
  if (outcome === null) return ['busy', sentence(phase)];
  if (outcome === 'refused') return ['warn', `${status} ${(reason ?? '').replaceAll('_', ' ')}`];
  if (outcome === 'broken') return ['bad', `Broken: ${(reason ?? '').replaceAll('_', ' ')}`];
  if (outcome === 'disconnected') return ['plain', 'Client left'];
  return (status ?? 0) >= 400 ? ['warn', String(status)] : ['good', String(status)];
}

/** From when to when it was where. @param {Facts} call @returns {{ tone: string, from: number, to: number, name: string }[]} */
function legsOf(call) {
  const { queue_ms: queue, window_ms: held, attempts, duration_ms: all } = call;
  const legs = [
    { tone: 'amber', name: 'queue', from: 0, to: queue },
    { tone: 'violet', name: 'window', from: queue, to: queue + held },
  ];
  attempts.forEach(({ sent_ms: sent, first_ms: first, last_ms: last, failure, worker }, i) => {
    const next = attempts[i + 1]?.sent_ms ?? null;
    const from = sent ?? queue + held;
    if (failure !== null && first === null) legs.push({ tone: 'rose', name: `${worker}: ${failure}`, from, to: next ?? all });
    else legs.push({ tone: 'ink-3', name: `${worker}: first token`, from, to: first ?? all });
    if (first !== null) legs.push({ tone: 'water', name: `${worker}: stream`, from: first, to: last ?? all });
  });
  return legs.filter(({ from, to }) => to > from);
}

/** @param {{ call: Facts, longest: number }} props */
function Way({ call, longest }) {
  const all = Math.max(0.1, call.duration_ms);
  const legs = legsOf(call);
  return html`<div class="fall" role="img" aria-label=${legs.map(({ name, from, to }) => `${name} ${millis(to - from)}`).join(', ')}>
    <div style=${{ width: `${Math.max(1.5, Math.sqrt(all / longest) * 100)}%` }}>
      ${legs.map(({ tone, from, to }) => html`<i class=${`ink-${tone}`} style=${{ left: `${(from / all) * 100}%`, width: `${((to - from) / all) * 100}%` }}></i>`)}
    </div>
  </div>`;
}

/** @param {{ call: Facts }} props */
function More({ call }) {
  const legs = legsOf(call);
  return html`<div class="detail">
    <dl class="facts">
      <div>
        <dt>Request</dt>
        <dd class="mono small">${call.id}</dd>
      </div>
      <div>
        <dt>Route</dt>
        <dd class="mono small">${call.route}</dd>
      </div>
      <div>
        <dt>Class</dt>
        <dd class="small">${call.priority || NONE}${call.stream ? ', stream' : ''}</dd>
      </div>
      <div>
        <dt>Read</dt>
        <dd class="small">
          ${number(call.input_tokens)}${call.cached_tokens ? html`<small> of which cached ${number(call.cached_tokens)}</small>` : ''}
        </dd>
      </div>
      <div>
        <dt>Written</dt>
        <dd class="small">${number(call.output_tokens)}</dd>
      </div>
      <div>
        <dt>Cache</dt>
        <dd class="small">${call.cache ?? NONE}</dd>
      </div>
    </dl>
    <ul class="legs">
      ${legs.map(({ tone, name, from, to }) => html`<li><i class=${`ink-${tone}`}></i><span>${name}</span><em>${millis(to - from)}</em></li>`)}
    </ul>
  </div>`;
}
