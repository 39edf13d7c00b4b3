import { html } from '../html.js';
import { count, number, seconds, sentence, shortModel } from '../format.js';
import { Empty, Meter, Pill, Problem, toneOf, useLoaded } from '../parts.js';
import * as store from '../store.js';
import { Time } from '../when.js';

/** @typedef {import('../../../batches/operator-view.ts').OperatorBatch} Batch */

export function Batches() {
  const { value, problem } = useLoaded(() => store.read('/admin/batches'), 2_000);
  if (value === null) return problem === null ? html`<p class="calm" role="status">Reading…</p>` : html`<${Problem} problem=${problem} />`;
  /** @type {readonly Batch[]} */
  const batches = value.data ?? value.batches ?? [];
  if (batches.length === 0) {
    return html`<${Empty} title="No batch"
      >A file of requests runs in the places that others leave free, and outlives every restart:
      <code>headgate batch submit FILE --watch</code>.<//
    >`;
  }
  return html`${problem !== null && html`<${Problem} problem=${problem} />`}
    <div class="stack">${batches.map((batch) => html`<${BatchPanel} key=${batch.id} batch=${batch} />`)}</div>`;
}

/** @param {{ batch: Batch }} props */
function BatchPanel({ batch }) {
  const { total, completed, failed } = batch.request_counts;
  const done = total === 0 ? 0 : (completed + failed) / total;
  const runs = batch.status === 'in_progress';
  return html`<section class="panel worker">
    <header>
      <div class="name">
        <h2>${batch.name ?? batch.id}</h2>
        <${Pill} tone=${batch.pause ? 'warn' : toneOf(batch.status)}>${batch.pause ? 'Waits' : sentence(batch.status)}<//>
      </div>
      <span class="aside">${batch.owner === null ? 'no key' : `key ${batch.owner}`} · made <${Time} at=${batch.created_at} /></span>
    </header>
    <p class="sub mono">${batch.id} · ${batch.endpoint}${batch.model === null ? '' : ` · ${shortModel(batch.model)}`}</p>
    <${Meter}
      label="Lines"
      tone=${failed > 0 && failed === total ? 'bad' : ''}
      value=${done}
      text=${`${number(completed + failed)} of ${number(total)}`}
    />
    <dl class="facts">
      <div>
        <dt>Answered</dt>
        <dd>${number(completed)}</dd>
      </div>
      <div>
        <dt>Failed</dt>
        <dd>${number(failed)}</dd>
      </div>
      ${
        (runs || batch.pause) &&
        html`<div>
            <dt>Speed</dt>
            <dd>${batch.lines_per_second === null ? '–' : html`${number(batch.lines_per_second, 2)}<small> lines/s</small>`}</dd>
          </div>
          <div>
            <dt>Left</dt>
            <dd>${runs && batch.eta_seconds !== null ? seconds(batch.eta_seconds) : '–'}</dd>
          </div>
          <div>
            <dt>Waiting, by model</dt>
            <dd class="small">
              ${
                Object.entries(batch.models)
                  .map(([model, lines]) => `${shortModel(model)}: ${count(lines, 'line')}`)
                  .join(', ') || '–'
              }
            </dd>
          </div>`
      }
    </dl>
    ${
      batch.pause &&
      html`<div class="callout warn">
        <p>${batch.pause.reason}</p>
        ${batch.pause.until && html`<p class="advice">It is tried again at <${Time} at=${batch.pause.until} />.</p>`}
      </div>`
    }
  </section>`;
}
