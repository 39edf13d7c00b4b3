import { useState } from 'preact/hooks';
import { html } from '../html.js';
import { gib, number, percent, seconds, sentence } from '../format.js';
import * as history from '../history.js';
import { leaseOn, Lent } from '../lent.js';
import { Ask, Empty, Meter, Pill, Problem, Spark, toneOf, useLoaded } from '../parts.js';
import * as store from '../store.js';
import { ago, Time } from '../when.js';

/** @typedef {store.Status['workers'][number]} Worker */

const STAGES = [
  ['process', 'Process'],
  ['model_loaded', 'Weights'],
  ['cuda_graphs', 'Graphs'],
  ['warmup', 'Warm-up'],
  ['ready', 'Ready'],
];

export function Workers() {
  const { workers } = /** @type {store.Status} */ (store.status.value);
  void history.seconds.value;
  if (workers.length === 0) {
    return html`<${Empty} title="No worker yet"
      >Headgate launches one when it has found a card and an engine. "headgate doctor" tells what it would do.<//
    >`;
  }
  return html`<div class="stack">${workers.map((worker) => html`<${WorkerPanel} key=${worker.id} worker=${worker} />`)}</div>`;
}

/** @param {{ worker: Worker }} props */
function WorkerPanel({ worker }) {
  const [shows, setShows] = useState('');
  const { id, model, state, in_flight: has, requests_running: running, requests_waiting: waiting } = worker;
  const { gpus } = /** @type {store.Status} */ (store.status.value);
  const own = gpus.filter(({ index }) => worker.gpus?.includes(index));
  const breaker = store.breakers.value[id];
  const isReady = state === 'ready';
  const isOut = state === 'drained' || state === 'draining';
  const isHeld = state === 'starting' && worker.stage === null && leaseOn({ worker: id }) !== undefined;
  const path = `/admin/workers/${encodeURIComponent(id)}`;
  /** @param {string} name */
  const toggle = (name) => () => setShows(shows === name ? '' : name);
  return html`<section class=${`panel worker ${toneOf(state)}`}>
    <header>
      <div class="name">
        <h2>${id}</h2>
        <${Pill} tone=${toneOf(state)}>${isHeld ? 'Card lent' : sentence(state)}<//>
        ${breaker && breaker.state !== 'closed' && html`<${Pill} tone=${toneOf(breaker.state)}>Breaker ${breaker.state.replace('_', ' ')}<//>`}
      </div>
      <div class="actions">
        ${
          isOut
            ? html`<button onClick=${() => store.order(`${path}/undrain`)}>Put back in service</button>`
            : html`<${Ask}
                label="Drain"
                question=${`Take ${id} out of service?`}
                detail="It ends what it has, and gets nothing new until it is put back."
                act=${() => store.order(`${path}/drain`)}
                disabled=${!isReady}
              />`
        }
        <${Ask}
          label="Restart"
          question=${`Restart ${id}?`}
          detail="It ends what it has first; until it is ready again, its calls go to others or wait."
          act=${() => store.order(`${path}/restart`)}
          disabled=${worker.log_file === null}
        />
      </div>
    </header>
    <p class="sub">
      ${model ?? 'No model'}
      <span
        >${[engineOf(worker), worker.profile && `profile ${worker.profile}`, worker.source && `found by ${worker.source}`, worker.port && `port ${worker.port}`, worker.pid && `pid ${worker.pid}`].filter(Boolean).join(' · ')}</span
      >
    </p>
    <${Lent} worker=${id} />
    ${!isReady && !isOut && !isHeld && html`<${Start} worker=${worker} />`}
    ${worker.last_failure !== null && html`<${Failure} failure=${worker.last_failure} />`}
    <div class="split">
      <div class="meters">
        <${Meter}
          label="KV cache"
          value=${isReady ? worker.kv_cache_usage_ratio : null}
          tone=${worker.kv_cache_usage_ratio > 0.95 ? 'bad' : worker.kv_cache_usage_ratio > 0.85 ? 'warn' : ''}
          text=${isReady ? percent(worker.kv_cache_usage_ratio) : '–'}
        />
        ${own.map(
          (gpu) =>
            html`<${Meter}
              label=${own.length > 1 ? `Memory, card ${gpu.index}` : 'GPU memory'}
              tone="violet"
              value=${gpu.memory_used_bytes === null ? null : gpu.memory_used_bytes / gpu.memory_total_bytes}
              text=${`${gib(gpu.memory_used_bytes)} of ${gib(gpu.memory_total_bytes)} GiB`}
            />`,
        )}
        <${Spark} values=${history.column(`kv:${id}`)} most=${1} caption="KV cache, last minutes" />
      </div>
      <dl class="facts">
        <div>
          <dt>Calls</dt>
          <dd>${number(has)}${worker.places !== undefined && html`<small> of ${number(worker.places)} places</small>`}</dd>
        </div>
        <div>
          <dt>In the engine</dt>
          <dd>${number(running)}<small> + ${number(waiting)} waiting</small></dd>
        </div>
        <div>
          <dt>Up</dt>
          <dd>${isReady ? seconds(upFor(worker)) : '–'}</dd>
        </div>
        <div>
          <dt>Restarts</dt>
          <dd>${number(worker.restarts)}</dd>
        </div>
        ${own.map(
          (gpu) =>
            html`<div>
                <dt>Heat${own.length > 1 ? `, card ${gpu.index}` : ''}</dt>
                <dd>${gpu.temperature_celsius === null ? '–' : html`${gpu.temperature_celsius}<small> °C</small>`}</dd>
              </div>
              <div>
                <dt>Power${own.length > 1 ? `, card ${gpu.index}` : ''}</dt>
                <dd>${gpu.power_watts === null ? '–' : html`${number(gpu.power_watts)}<small> W</small>`}</dd>
              </div>`,
        )}
      </dl>
    </div>
    ${worker.degradation.length > 0 && html`<${Degraded} worker=${worker} />`}
    <div class="actions low">
      <button class="flat" aria-expanded=${shows === 'log'} onClick=${toggle('log')}>Engine log</button>
      <button class="flat" aria-expanded=${shows === 'command'} onClick=${toggle('command')}>Command line</button>
    </div>
    ${shows === 'log' && html`<${Log} worker=${id} />`}
    ${shows === 'command' && html`<pre tabindex="0" aria-label="Command line of the engine">${worker.engine_args.length === 0 ? worker.url : `vllm serve ${worker.engine_args.join(' ')}`}</pre>`}
  </section>`;
}

/**
 * Of a worker that is only listed: those that Headgate launches run one engine, which the overview names.
 * @param {Worker} worker
 */
function engineOf({ engine, engine_version: version, log_file: log }) {
  return log === null && engine !== null && [engine, version].filter(Boolean).join(' ');
}

/** @param {Worker} worker */
function upFor({ uptime_seconds: up }) {
  return up === null ? null : up + (performance.now() - store.statusAt.value) / 1000;
}

/** @param {{ worker: Worker }} props */
function Start({ worker }) {
  const at = STAGES.findIndex(([stage]) => stage === worker.stage);
  const left = worker.eta_seconds;
  return html`<div class="start">
    <ol aria-label="How far its start has come">
      ${STAGES.map(([, name], i) => html`<li class=${i < at || (i === at && worker.stage === 'ready') ? 'done' : i === at ? 'now' : ''} aria-current=${i === at ? 'step' : undefined}>${name}</li>`)}
    </ol>
    ${worker.percent !== null && html`<${Meter} label=${sentence(worker.state)} value=${worker.percent / 100} text=${`${worker.percent} %${left === null ? '' : `, about ${seconds(left)}`}`} />`}
  </div>`;
}

/** @param {{ failure: NonNullable<Worker['last_failure']> }} props */
function Failure({ failure }) {
  return html`<div class="callout bad">
    <h3>Last failure, <${Time} at=${failure.at} zoned /> (${ago(failure.at)})</h3>
    <p>${failure.message}</p>
    <p class="advice">${failure.advice}</p>
  </div>`;
}

/** @param {{ worker: Worker }} props */
function Degraded({ worker }) {
  return html`<div class="callout warn">
    <h3>Runs with less than its profile asks for</h3>
    <ul>
      ${worker.degradation.map(({ setting, from, to, reason }) => html`<li><code>${setting}</code> ${from} → <strong>${to}</strong> <span>${reason}</span></li>`)}
    </ul>
    <p class="advice">
      The way back: free the memory that was missing, then${' '}
      <${Ask}
        label="start with the profile again"
        tone="link"
        question="Start with what the profile asks for?"
        detail="What was relaxed is forgotten. If it does not fit again, it is relaxed again."
        act=${() => store.order(`/admin/workers/${encodeURIComponent(worker.id)}/restart?reset=true`)}
      />.
    </p>
  </div>`;
}

/** @param {{ worker: string }} props */
function Log({ worker }) {
  const { value, problem } = useLoaded(() => store.read(`/admin/workers/${encodeURIComponent(worker)}/log`), 2_000, [worker]);
  if (problem !== null) return html`<${Problem} problem=${problem} />`;
  if (value === null) return html`<p class="calm">Reading…</p>`;
  if (value.lines.length === 0) return html`<p class="calm">There is no log here: Headgate has not launched this engine.</p>`;
  return html`<pre class="log" tabindex="0" aria-label=${`Log of ${worker}`} ref=${toEnd}>${value.lines.join('\n')}</pre>
    <p class="calm">As the engine wrote it, with its own times.</p>`;
}

/** @param {HTMLElement | null} element */
function toEnd(element) {
  if (element !== null && element.scrollTop === 0) element.scrollTop = element.scrollHeight;
}
