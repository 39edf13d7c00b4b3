import { html } from '../html.js';
import { Chart, Legend } from '../chart.js';
import { count, gib, millis, number, percent, rate, sentence, shortModel } from '../format.js';
import * as history from '../history.js';
import { Lent } from '../lent.js';
import { Panel, Pill, Spark, toneOf } from '../parts.js';
import * as store from '../store.js';
import { ago, exactly } from '../when.js';
import { Happenings } from './happenings.js';

/** Seconds over which what comes in ones is averaged. */
const SMOOTH_S = 10;
/** So long a failure is marked at its worker. */
const FRESH_MS = 24 * 3_600_000;
/** So long it is worth a word before all others. */
const NEWS_MS = 15 * 60_000;

const perSecond = (/** @type {string} */ name) => history.smooth(history.column(name), SMOOTH_S);

/** @type {import('../chart.js').Line[]} */
const TOKENS = [
  { label: 'written', tone: 'water', values: () => history.smooth(history.column('output'), 3), fill: true },
  { label: 'read', tone: 'violet', values: () => history.smooth(history.column('input'), 3) },
];
/** @type {import('../chart.js').Line[]} */
const FIRST = [
  { label: 'median', tone: 'water', values: () => history.column('first_p50'), fill: true },
  { label: '95th of 100', tone: 'amber', values: () => history.column('first_p95') },
];
/** @type {import('../chart.js').Line[]} */
const EACH = [
  { label: 'median', tone: 'water', values: () => history.column('token_p50'), fill: true },
  { label: '95th of 100', tone: 'amber', values: () => history.column('token_p95') },
];
/** @type {import('../chart.js').Line[]} */
const LOAD = [
  { label: 'in flight', tone: 'water', values: () => history.column('in_flight'), fill: true },
  { label: 'queued', tone: 'rose', values: () => history.column('queued') },
  { label: 'queued, batch', tone: 'violet', values: () => history.column('queued_batch') },
];

export function Overview() {
  void history.seconds.value;
  return html`<${Words} />
    <${Stream} />
    <div class="tiles">
      <${Tile} name="Requests" value=${rate(now(perSecond('requests')))} unit="a second" values=${perSecond('requests')} />
      <${Tile}
        name="Tokens written"
        value=${rate(now(history.smooth(history.column('output'), 3)))}
        unit="a second"
        values=${history.smooth(history.column('output'), 3)}
      />
      <${Tile}
        name="First token"
        value=${millis(history.latest('first_p50'))}
        unit=${`p95 ${millis(history.latest('first_p95'))}`}
        values=${history.column('first_p50')}
      />
      <${Tile}
        name="Each token"
        value=${millis(history.latest('token_p50'))}
        unit=${`p95 ${millis(history.latest('token_p95'))}`}
        values=${history.column('token_p50')}
      />
    </div>
    <div class="grid two">
      <${Plot} title="Tokens a second" lines=${TOKENS} show=${rate} />
      <${Plot} title="In flight and queued" lines=${LOAD} show=${(/** @type {any} */ value) => number(value, 1)} whole />
      <${Plot} title="Time to the first token" lines=${FIRST} show=${millis} />
      <${Plot} title="Time for each token" lines=${EACH} show=${millis} />
      <${Refusals} />
      <${Cards} />
      <${Happenings} />
    </div>`;
}

/** @param {(number | null)[]} values */
function now(values) {
  return values.at(-1) ?? null;
}

/** How things are, in a sentence. */
function Words() {
  const { workers, models, engine, swaps, gateway } = /** @type {store.Status} */ (store.status.value);
  const ready = workers.filter(({ state }) => state === 'ready');
  const broken = workers.filter(({ state }) => state === 'failed' || state === 'backoff');
  const less = ready.filter(({ degradation }) => degradation.length > 0).length;
  const coming = workers.filter(({ state }) => state === 'starting' || state === 'warming');
  const [tone, head] =
    ready.length > 0 && broken.length === 0
      ? ['good', 'Serving']
      : ready.length > 0
        ? ['warn', 'Serving, with less than there should be']
        : coming.length > 0 || swaps.length > 0
          ? ['busy', 'Getting ready']
          : ['bad', 'Not serving'];
  const failed = workers.filter((worker) => worker.state === 'ready' && freshFailure(worker, NEWS_MS) !== null);
  const names = [...new Set(ready.map(({ model }) => shortModel(model)))].slice(0, 3).join(', ');
  const parts = [
    ready.length > 0 ? `${count(ready.length, 'worker')} ready with ${names}` : `${count(workers.length, 'worker')}, none ready`,
    broken.length > 0 ? `${number(broken.length)} in trouble` : null,
    failed.length > 0
      ? `${failed
          .map(({ id }) => id)
          .slice(0, 3)
          .join(', ')} failed lately`
      : null,
    less > 0 ? `${number(less)} with less than its profile asks for` : null,
    models.length > 1 ? count(models.length, 'model') : null,
    (gateway.sharing ?? 1) > 1 ? `${count(gateway.sharing ?? 1, 'gateway')} share the workers` : null,
    engine?.simulated ? 'simulated engine' : engine?.version ? `vLLM ${engine.version}` : null,
  ].filter((part) => part !== null);
  return html`<p class=${`lead ${tone}`}><strong>${head}.</strong> ${parts.join(' · ')}</p>`;
}

/** The way of a call through the gate: who waits, and how full each worker is. */
function Stream() {
  const { workers } = /** @type {store.Status} */ (store.status.value);
  const queued = (history.latest('queued') ?? 0) + (history.latest('queued_batch') ?? 0);
  const flowing = history.latest('in_flight') ?? 0;
  return html`<section class="stream" aria-label="Where calls are now">
    <div class=${`bay ${queued > 0 ? 'warn' : ''}`}>
      <b>${number(queued)}</b><span>waiting</span>
      <i class="level" style=${{ height: `${Math.min(100, queued * 4)}%` }} aria-hidden="true"></i>
    </div>
    <div class=${`sluice ${flowing > 0 ? 'open' : ''}`} aria-hidden="true"><i></i><i></i><i></i></div>
    <div class="bay"><b>${number(flowing)}</b><span>in flight</span></div>
    <div class=${`sluice ${flowing > 0 ? 'open' : ''}`} aria-hidden="true"><i></i><i></i><i></i></div>
    <ul class="basins">
      ${workers.map((worker) => {
        const { id, model, state, kv_cache_usage_ratio: kv, in_flight: has, percent: done, degradation } = worker;
        const failure = freshFailure(worker, FRESH_MS);
        return html`<li>
          <a class=${`basin ${state}`} href="#/workers">
            <i class="level" style=${{ height: `${state === 'ready' ? Math.max(3, kv * 100) : (done ?? 0)}%` }} aria-hidden="true"></i>
            <span class="who">${id}${degradation.length > 0 && html` <em>relaxed</em>`}</span>
            <span class="what">${shortModel(model)}</span>
            <span class="how">
              ${state === 'ready' ? html`<b>${number(has)}</b> calls · KV ${percent(kv)}` : html`<${Pill} tone=${toneOf(state)}>${sentence(state)}${done === null ? '' : ` ${done} %`}<//>`}
            </span>
            ${failure !== null && html`<span class="fell" title=${`${failure.class}: ${failure.message} (${exactly(failure.at)})`}>Failed ${ago(failure.at)}</span>`}
          </a>
        </li>`;
      })}
      ${workers.length === 0 && html`<li class="nobody">No worker yet</li>`}
    </ul>
  </section>`;
}

/** The last failure of a worker, unless it is older. @param {store.Status['workers'][number]} worker @param {number} within */
function freshFailure({ last_failure: last }, within) {
  return last !== null && Date.now() - Date.parse(last.at) < within ? last : null;
}

/** @param {{ name: string, value: string, unit: string, values: (number | null)[] }} props */
function Tile({ name, value, unit, values }) {
  const [, figure, of] = /^([\d.,k–]+)(.*)$/.exec(value) ?? ['', value, ''];
  return html`<section class="tile">
    <h2>${name}</h2>
    <p><b>${figure}</b><small>${of}</small><span>${unit}</span></p>
    <${Spark} values=${values} />
  </section>`;
}

/** @param {{ title: string, lines: readonly import('../chart.js').Line[], show: (value: number | null) => string, whole?: boolean }} props */
function Plot({ title, lines, show, whole }) {
  return html`<${Panel} title=${title} aside=${html`<${Legend} lines=${lines} />`}
    ><${Chart} label=${title} lines=${lines} show=${show} whole=${whole}
  /><//>`;
}

/** What a client was told, for people. @type {Record<string, string>} */
const REASONS = {
  client_error: 'The request was wrong',
  no_key: 'No key, or a wrong one',
  queue_full: 'The queue was full',
  queue_timeout: 'Waited too long',
  kv_pressure: 'No room in the KV cache',
  breaker_open: 'Every worker was failing',
  worker_starting: 'The model was loading',
  no_worker: 'No worker for the model',
  rate_limit: 'Over a limit of its key',
  quota: 'Budget used up',
  upstream: 'The worker failed',
  upstream_timeout: 'The worker took too long',
  deadline: 'Time was over',
  draining: 'Shutting down',
  suspect: 'Two workers died of it',
  store_unavailable: 'The shared store was away',
  storage_full: 'No room for files',
  internal: 'A fault of the gateway',
};

function Refusals() {
  const rows = history
    .named('refused:')
    .map((name) => ({ reason: name.slice('refused:'.length), count: history.total(name) }))
    .filter(({ count: of }) => of > 0)
    .toSorted((a, b) => b.count - a.count);
  const all = history.total('requests');
  const most = rows[0]?.count ?? 1;
  const broken = history.total('failed');
  const operators = history.total('operators');
  return html`<${Panel}
    title="Turned away or cut off, in fifteen minutes"
    aside=${html`<span class="aside">of ${count(all, 'request')}</span>`}
  >
    ${
      rows.length === 0
        ? html`<p class="calm">Nobody was turned away.</p>`
        : html`<ul class="bars">
            ${rows.map(
              ({ reason, count: of }) =>
                html`<li>
                  <span>${REASONS[reason] ?? sentence(reason)}</span
                  ><i aria-hidden="true"><b style=${{ width: `${(of / most) * 100}%` }}></b></i><em>${number(of)}</em>
                </li>`,
            )}
          </ul>`
    }
    <p class="calm">
      ${broken === 0 ? 'No answer was cut off or failed.' : html`<a href="#/calls/broken">${count(broken, 'answer')} cut off or failed</a>, after a worker had the call.`}
    </p>
    ${operators > 0 && html`<p class="calm">At the operator's own pages: ${count(operators, 'request')} more.</p>`}
  <//>`;
}

/** Why no card is shown. @param {store.Status} status */
function whyNoCard({ engine, supervised, supervisor }) {
  if (engine?.simulated) return 'The engine is simulated and uses no card.';
  if (supervisor !== null) return 'The supervisor has found no card.';
  return supervised ? 'The supervisor has not been heard of yet.' : 'The workers were started elsewhere.';
}

function Cards() {
  const status = /** @type {store.Status} */ (store.status.value);
  const { gpus } = status;
  return html`<${Panel} title="Cards">
    ${gpus.length === 0 && html`<p class="calm">${whyNoCard(status)}</p>`}
    ${gpus.map(
      (gpu) =>
        html`<div class="card">
          <p><strong>${gpu.name}</strong> <span>card ${gpu.index}${gpu.simulated ? ', simulated' : ''}</span></p>
          <${Lent} uuid=${gpu.uuid} />
          <dl class="facts four">
            <div>
              <dt>Memory</dt>
              <dd>${gib(gpu.memory_used_bytes)}<small> / ${gib(gpu.memory_total_bytes)} GiB</small></dd>
            </div>
            <div>
              <dt>In use</dt>
              <dd>${percent(gpu.utilization_ratio)}</dd>
            </div>
            <div>
              <dt>Heat</dt>
              <dd>${gpu.temperature_celsius === null ? '–' : `${gpu.temperature_celsius} °C`}</dd>
            </div>
            <div>
              <dt>Power</dt>
              <dd>${gpu.power_watts === null ? '–' : `${number(gpu.power_watts)} W`}</dd>
            </div>
          </dl>
          <${Spark} values=${history.column(`gpu:${gpu.index}:use`)} most=${1} caption="In use, last minutes" />
        </div>`,
    )}
  <//>`;
}
