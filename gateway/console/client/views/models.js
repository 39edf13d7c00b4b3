import { html } from '../html.js';
import { number, seconds, sentence, shortModel } from '../format.js';
import { Ask, Empty, Meter, Panel, Pill, toneOf } from '../parts.js';
import * as store from '../store.js';

/** @typedef {store.Status['models'][number]} Model */

/** @type {Record<string, string>} */
const WORDS = { ready: 'Loaded', loading: 'Loading', available: 'Can be loaded', failed: 'Cannot run' };

export function Models() {
  const { models, swaps, supervised } = /** @type {store.Status} */ (store.status.value);
  if (models.length === 0) return html`<${Empty} title="No model yet">The workers have not told what they serve.<//>`;
  return html`${swaps.map(
      (swap) =>
        html`<${Panel}
          title=${`${swap.worker} changes its model`}
          aside=${html`<span class="aside">for ${seconds(swap.since_seconds)} so far</span>`}
        >
          <p class="swap">
            <span>${swap.from === null ? 'nothing' : shortModel(swap.from)}</span><i aria-hidden="true">→</i
            ><strong>${swap.to === null ? 'nothing' : shortModel(swap.to)}</strong>
          </p>
          <${Meter} label="Progress" value=${swap.percent / 100} text=${`${swap.percent} %, about ${seconds(swap.eta_seconds)}`} />
        <//>`,
    )}
    <div class="grid two">${models.map((model) => html`<${ModelPanel} key=${model.id} model=${model} supervised=${supervised} />`)}</div>`;
}

/** @param {{ model: Model, supervised: boolean }} props */
function ModelPanel({ model, supervised }) {
  const { id, state, asleep } = model;
  const path = `/admin/models/${encodeURIComponent(id)}`;
  const { workers, models } = /** @type {store.Status} */ (store.status.value);
  const held = workers.find((worker) => worker.model !== null && worker.model !== id && worker.state === 'ready');
  const other = held && models.find((one) => one.id === held.model);
  const word = asleep && state !== 'ready' ? 'Sleeps' : (WORDS[state] ?? sentence(state));
  return html`<section class="panel model">
    <header>
      <h2 title=${id}>${shortModel(id)}</h2>
      <${Pill} tone=${asleep && state !== 'ready' ? 'busy' : toneOf(state)}>${word}<//>
    </header>
    ${shortModel(id) !== id && html`<p class="sub mono">${id}</p>`}
    <dl class="facts">
      <div>
        <dt>Context</dt>
        <dd>${number(model.max_model_len)}<small> tokens</small></dd>
      </div>
      <div>
        <dt>Profile</dt>
        <dd>${model.profile ?? '–'}</dd>
      </div>
      <div>
        <dt>${state === 'ready' ? 'Served by' : 'Would take'}</dt>
        <dd>${state === 'ready' ? served(model.pool ?? [id]) : model.eta_seconds === null ? '–' : seconds(model.eta_seconds)}</dd>
      </div>
    </dl>
    ${model.fit && html`<${Fit} fit=${model.fit} />`}
    ${model.reason !== null && html`<div class=${`callout ${state === 'failed' ? 'bad' : 'warn'}`}><p>${model.reason}</p></div>`}
    <p class="sub">${[...(model.pool ?? []), ...model.fallback.map((one) => `else ${one}`)].join(', ')}</p>
    <p class="tags">
      ${model.aliases.map((alias) => html`<span>${alias}</span>`)}
      ${model.capabilities.map((able) => html`<span class="able">${able.replaceAll('_', ' ')}</span>`)}
    </p>
    ${
      supervised &&
      !model.pool &&
      html`<div class="actions low">
        ${
          state === 'ready'
            ? html`<${Ask}
                label="Unload"
                question=${`Unload ${shortModel(id)}?`}
                detail="Its calls end first. It comes back when somebody asks for it, or when you load it."
                act=${() => store.order(`${path}/unload`)}
              />`
            : html`<${Ask}
                label="Load"
                disabled=${state === 'loading' || state === 'failed'}
                question=${`Load ${shortModel(id)}?`}
                detail=${other ? `${shortModel(other.id)} makes room for it, once its calls have ended.` : 'It is loaded at once, if a card has room.'}
                act=${() => store.order(`${path}/load`)}
              />`
        }
      </div>`
    }
  </section>`;
}

/** @param {readonly string[]} ids */
function served(ids) {
  const workers =
    store.status.value?.workers.filter(({ model, state }) => model !== null && ids.includes(model) && state === 'ready') ?? [];
  return workers.length === 1 ? workers[0].id : `${workers.length} workers`;
}

/** @param {number} gib */
const tenth = (gib) => gib.toFixed(1);

/** @type {Record<string, [string, string]>} */
const VERDICTS = { fits: ['good', 'Fits the card'], tight: ['warn', 'Tight on the card'], no: ['bad', 'Does not fit the card'] };

/** Where the card's memory goes. @param {{ fit: NonNullable<Model['fit']> }} props */
function Fit({ fit }) {
  const [tone, word] = VERDICTS[fit.verdict];
  const whole = Math.max(fit.totalGib, fit.weightsGib + fit.otherGib + fit.kvCacheGib);
  const parts = [
    { tone: 'violet', name: 'weights', gib: fit.weightsGib },
    { tone: 'amber', name: 'working memory', gib: fit.otherGib },
    { tone: 'water', name: 'KV cache', gib: fit.kvCacheGib },
  ];
  return html`<div class="fit">
    <p>
      <strong class=${`tone-${tone}`}>${word}</strong
      ><span>${number(fit.concurrency, 1)} calls of ${number(fit.contextTokens)} tokens at once</span>
      <em>${tenth(fit.totalGib)} GiB</em>
    </p>
    <div
      class="fall tall"
      role="img"
      aria-label=${`Of ${number(fit.totalGib, 1)} GiB: ${parts.map(({ name, gib }) => `${name} ${number(gib, 1)}`).join(', ')}`}
    >
      <div class="shares">
        ${parts.map((part) => html`<b class=${`ink-${part.tone}`} style=${{ width: `${(part.gib / whole) * 100}%` }}></b>`)}
      </div>
    </div>
    <ul class="legend">
      ${parts.map((part) => html`<li><i class=${`ink-${part.tone}`}></i>${part.name} ${tenth(part.gib)}</li>`)}
    </ul>
    ${fit.verdict !== 'fits' && html`<p class="advice">${fit.reason}</p>`}
  </div>`;
}
