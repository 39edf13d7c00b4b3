import { useRef, useState } from 'preact/hooks';
import { html } from '../html.js';
import { millis, NONE, number, rate, shortModel } from '../format.js';
import { Panel } from '../parts.js';
import * as store from '../store.js';

/**
 * @typedef {{ text: string, state: 'waits' | 'streams' | 'done' | 'failed', problem: string, worker: string, queueMs: number | null,
 *   windowMs: number | null, firstMs: number | null, allMs: number | null, tokens: number | null, read: number | null }} Answer
 */

/** @type {Answer} */
const NOTHING = {
  ...{ text: '', state: 'waits', problem: '', worker: '', queueMs: null, windowMs: null },
  ...{ firstMs: null, allMs: null, tokens: null, read: null },
};

/** Kept while other views are looked at; never sent to the gateway but with a chat. */
let kept = { question: 'Explain what a headgate does, in three sentences.', system: '', most: 256, warmth: 0.7, at: 1, key: '' };

export function Playground() {
  const { models } = /** @type {store.Status} */ (store.status.value);
  const usable = models.filter(({ capabilities }) => capabilities.length === 0 || capabilities.includes('chat'));
  const [form, setForm] = useState(kept);
  const [model, setModel] = useState(usable.find(({ state }) => state === 'ready')?.id ?? usable[0]?.id ?? '');
  const [answers, setAnswers] = useState(/** @type {readonly Answer[]} */ ([]));
  const stop = useRef(/** @type {AbortController | null} */ (null));
  const isBusy = answers.some(({ state }) => state === 'waits' || state === 'streams');
  /** @param {string} name */
  const field = (name) => (/** @type {any} */ event) => {
    const { value, type } = event.target;
    kept = { ...kept, [name]: type === 'number' ? Number(value) : value };
    setForm(kept);
  };
  /** @param {Event} event */
  const go = (event) => {
    event.preventDefault();
    stop.current?.abort();
    const control = new AbortController();
    stop.current = control;
    const count = Math.min(16, Math.max(1, form.at));
    setAnswers(Array.from({ length: count }, () => NOTHING));
    for (let i = 0; i < count; i++) {
      const put = (/** @type {Partial<Answer>} */ news) => {
        if (stop.current === control) setAnswers((now) => now.map((answer, at) => (at === i ? { ...answer, ...news } : answer)));
      };
      void ask(model, form, control.signal, put);
    }
  };
  return html`<div class="try">
    <form class="panel fields" onSubmit=${go}>
      <div>
        <label for="model">Model</label>
        <select id="model" value=${model} onChange=${(/** @type {any} */ event) => setModel(event.target.value)}>
          ${usable.map(({ id, state }) => html`<option value=${id}>${shortModel(id)}${state === 'ready' ? '' : ` (${state})`}</option>`)}
        </select>
      </div>
      <div>
        <label for="system">System prompt</label><input id="system" value=${form.system} onInput=${field('system')} placeholder="None" />
      </div>
      <div>
        <label for="question">Message</label
        ><textarea id="question" rows="5" required value=${form.question} onInput=${field('question')}></textarea>
      </div>
      <div class="row">
        <div>
          <label for="most">Max tokens</label
          ><input id="most" type="number" min="1" max="32768" value=${form.most} onInput=${field('most')} />
        </div>
        <div>
          <label for="warmth">Temperature</label
          ><input id="warmth" type="number" min="0" max="2" step="0.1" value=${form.warmth} onInput=${field('warmth')} />
        </div>
        <div><label for="at">At once</label><input id="at" type="number" min="1" max="16" value=${form.at} onInput=${field('at')} /></div>
      </div>
      <div>
        <label for="client-key">Key of a client</label
        ><input
          id="client-key"
          type="password"
          autocomplete="off"
          value=${form.key}
          onInput=${field('key')}
          placeholder="Where the API asks for one"
        />
      </div>
      <div class="actions">
        <button class="primary" disabled=${isBusy || model === ''}>Send</button>
        ${isBusy && html`<button type="button" onClick=${() => stop.current?.abort()}>Stop</button>`}
      </div>
    </form>
    <div class="answers" aria-live="polite" aria-busy=${isBusy}>
      ${answers.length === 0 && html`<${Panel} title="Answer"><p class="calm">It streams here, with how long each part took. With more than one at once, you see what that costs each of them.</p><//>`}
      ${answers.length > 1 && html`<${Together} answers=${answers} />`}
      ${answers.map((answer, i) => html`<${AnswerPanel} key=${i} answer=${answer} number=${answers.length > 1 ? i + 1 : null} />`)}
    </div>
  </div>`;
}

/** @param {{ answer: Answer, number: number | null }} props */
function AnswerPanel({ answer, number: at }) {
  const { queueMs, windowMs, firstMs, allMs, tokens, worker, state, problem, text } = answer;
  const streamMs = allMs !== null && firstMs !== null ? allMs - firstMs : null;
  const speed = streamMs !== null && streamMs > 0 && tokens !== null && tokens > 1 ? ((tokens - 1) / streamMs) * 1000 : null;
  const whole = allMs ?? 1;
  const waited = (queueMs ?? 0) + (windowMs ?? 0);
  return html`<${Panel}
    title=${at === null ? 'Answer' : `Answer ${at}`}
    aside=${html`<span class="aside">${worker === '' ? '' : `from ${worker}`}</span>`}
  >
    <div class=${`said ${state}`}>
      ${text}${state === 'streams' && html`<i class="caret" aria-hidden="true"></i>`}${state === 'waits' && html`<span class="calm">Waiting for the first token…</span>`}
    </div>
    ${problem !== '' && html`<p class="problem" role="alert">${problem}</p>`}
    ${
      firstMs !== null &&
      html`<div class="fall tall" aria-hidden="true">
        <div style=${{ width: '100%' }}>
          <i class="ink-amber" style=${{ left: '0', width: `${(waited / whole) * 100}%` }}></i>
          <i
            class="ink-ink-3"
            style=${{ left: `${(waited / whole) * 100}%`, width: `${(Math.max(0, firstMs - waited) / whole) * 100}%` }}
          ></i>
          <i class="ink-water" style=${{ left: `${(firstMs / whole) * 100}%`, width: `${((streamMs ?? 0) / whole) * 100}%` }}></i>
        </div>
      </div>`
    }
    <dl class="facts timings">
      <div>
        <dt>Queue</dt>
        <dd>${millis(queueMs)}</dd>
      </div>
      <div>
        <dt>Window</dt>
        <dd>${millis(windowMs)}</dd>
      </div>
      <div>
        <dt>First token</dt>
        <dd>${millis(firstMs)}</dd>
      </div>
      <div>
        <dt>In all</dt>
        <dd>${millis(allMs)}</dd>
      </div>
      <div>
        <dt>Tokens</dt>
        <dd>${number(tokens)}</dd>
      </div>
      <div>
        <dt>Speed</dt>
        <dd>${speed === null ? NONE : html`${rate(speed)}<small> tok/s</small>`}</dd>
      </div>
    </dl>
  <//>`;
}

/** @param {{ answers: readonly Answer[] }} props */
function Together({ answers }) {
  const tokens = answers.reduce((sum, answer) => sum + (answer.tokens ?? 0), 0);
  const longest = Math.max(0, ...answers.map(({ allMs }) => allMs ?? 0));
  const firsts = answers
    .map(({ firstMs }) => firstMs)
    .filter((ms) => ms !== null)
    .toSorted((a, b) => a - b);
  return html`<${Panel} title=${`${answers.length} at once`}>
    <dl class="facts timings">
      <div>
        <dt>Done</dt>
        <dd>${answers.filter(({ state }) => state === 'done').length}</dd>
      </div>
      <div>
        <dt>First token, median</dt>
        <dd>${millis(firsts[Math.floor(firsts.length / 2)])}</dd>
      </div>
      <div>
        <dt>First token, slowest</dt>
        <dd>${millis(firsts.at(-1))}</dd>
      </div>
      <div>
        <dt>Together</dt>
        <dd>${longest > 0 ? html`${rate((tokens / longest) * 1000)}<small> tok/s</small>` : NONE}</dd>
      </div>
    </dl>
  <//>`;
}

/** @param {string} model @param {typeof kept} form @param {AbortSignal} signal @param {(news: Partial<Answer>) => void} put */
async function ask(model, { question, system, most, warmth, key }, signal, put) {
  const began = performance.now();
  const since = () => performance.now() - began;
  const messages = [...(system === '' ? [] : [{ role: 'system', content: system }]), { role: 'user', content: question }];
  const body = { model, messages, max_tokens: most, temperature: warmth, stream: true, stream_options: { include_usage: true } };
  try {
    const answer = await fetch('/v1/chat/completions', {
      method: 'POST',
      signal,
      headers: { 'content-type': 'application/json', ...(key === '' ? {} : { authorization: `Bearer ${key}` }) },
      body: JSON.stringify(body),
    });
    const told = (/** @type {string} */ name) => {
      const value = answer.headers.get(name);
      return value === null ? null : Number(value);
    };
    put({
      worker: answer.headers.get('x-headgate-worker') ?? '',
      queueMs: told('x-headgate-queue-ms'),
      windowMs: told('x-headgate-window-ms'),
    });
    if (!answer.ok || answer.body === null) return put({ state: 'failed', problem: await whyNot(answer) });
    await readStream(answer.body, since, put);
  } catch (error) {
    const isStopped = signal.aborted;
    put({
      state: 'failed',
      allMs: since(),
      problem: isStopped ? 'Stopped.' : `The answer broke off: ${error instanceof Error ? error.message : error}`,
    });
  }
}

/** @param {Response} answer */
async function whyNot(answer) {
  const body = await answer.json().catch(() => null);
  if (answer.status === 404 && body?.error?.code !== 'model_not_found') {
    return 'The API is not at this address: the console has a listener of its own here (admin.port).';
  }
  return body?.error?.message ?? `The gateway answered ${answer.status}.`;
}

/** @param {ReadableStream<Uint8Array>} body @param {() => number} since @param {(news: Partial<Answer>) => void} put */
async function readStream(body, since, put) {
  let [rest, text, chunks] = ['', '', 0];
  /** @type {number | null} */
  let firstMs = null;
  /** @type {any} */
  let usage = null;
  for await (const piece of body.pipeThrough(/** @type {any} */ (new TextDecoderStream()))) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
      const event = JSON.parse(line.slice(6));
      if (event.error) return put({ state: 'failed', allMs: since(), problem: event.error.message });
      if (event.usage) usage = event.usage;
      const delta = event.choices?.[0]?.delta ?? {};
      const more = (delta.reasoning_content ?? '') + (delta.content ?? '');
      if (more === '') continue;
      firstMs ??= since();
      chunks++;
      text += more;
    }
    put({ text, state: 'streams', firstMs, tokens: chunks, allMs: since() });
  }
  put({ text, state: 'done', firstMs, allMs: since(), tokens: usage?.completion_tokens ?? chunks, read: usage?.prompt_tokens ?? null });
}
