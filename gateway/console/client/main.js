import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { html } from './html.js';
import { theme, turnTheme } from './look.js';
import { Waves } from './parts.js';
import * as store from './store.js';
import { Batches } from './views/batches.js';
import { Calls } from './views/calls.js';
import { Keys } from './views/keys.js';
import { Models } from './views/models.js';
import { Overview } from './views/overview.js';
import { Playground } from './views/playground.js';
import { Settings } from './views/settings.js';
import { Workers } from './views/workers.js';
import { Time, zone } from './when.js';

/** @type {readonly { path: string, name: string, view: any, icon: string }[]} */
const VIEWS = [
  { path: '', name: 'Overview', view: Overview, icon: 'M3 13l4-5 4 3 6-7M3 17h14' },
  { path: 'workers', name: 'Workers', view: Workers, icon: 'M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.1M6 13.5h.1' },
  { path: 'models', name: 'Models', view: Models, icon: 'M10 2l7 4v8l-7 4-7-4V6zM3 6l7 4 7-4M10 10v8' },
  { path: 'calls', name: 'Calls', view: Calls, icon: 'M3 4h6M6 8h8M8 12h9M5 16h5' },
  { path: 'try', name: 'Try it', view: Playground, icon: 'M3 4h14v10H9l-4 3v-3H3z' },
  { path: 'batches', name: 'Batches', view: Batches, icon: 'M4 3h9l3 3v11H4zM7 9h6M7 12h6' },
  { path: 'keys', name: 'Keys', view: Keys, icon: 'M9.5 10a3.2 3.2 0 11-.01-.2M9.5 10H17v3M13.5 10v2.2' },
  { path: 'settings', name: 'Settings', view: Settings, icon: 'M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4' },
];

const place = signal(placeNow());

function placeNow() {
  return location.hash.replace(/^#\/?/, '').split('/')[0] ?? '';
}

addEventListener('hashchange', () => (place.value = placeNow()));

function App() {
  if (store.link.value === 'out') return html`<${SignIn} />`;
  if (store.status.value === null)
    return html`<main class="waiting" aria-busy="true">
      <${Waves} />
      <p role="status">${store.link.value === 'loading' ? 'Asking the gateway…' : `${store.why.value} Trying again…`}</p>
    </main>`;
  const at = VIEWS.find(({ path }) => path === place.value) ?? VIEWS[0];
  return html`<a class="skip" href="#main" onClick=${toMain}>Skip to the view</a>
    <${Side} at=${at} />
    <${Main} at=${at} />
    <${Notice} />`;
}

/** @param {Event} event */
function toMain(event) {
  event.preventDefault();
  document.querySelector('main')?.focus();
}

/** @param {{ at: typeof VIEWS[number] }} props */
function Side({ at }) {
  const { version } = /** @type {store.Status} */ (store.status.value);
  const troubled = store.status.value?.workers.filter(({ state }) => ['failed', 'backoff'].includes(state)).length ?? 0;
  return html`<nav class="side" aria-label="Views">
    <a class="brand" href="#/" aria-label="Headgate, overview"><${Mark} /><span>Headgate</span></a>
    <ul>
      ${VIEWS.map(
        ({ path, name, icon }) =>
          html`<li>
            <a href=${`#/${path}`} aria-current=${path === at.path ? 'page' : undefined}>
              <svg viewBox="0 0 20 20" aria-hidden="true"><path d=${icon} /></svg><span>${name}</span>
              ${path === 'workers' && troubled > 0 && html`<b class="badge" aria-label=${`${troubled} in trouble`}>${troubled}</b>`}
              ${path === 'calls' && store.live.value.length > 0 && html`<b class="badge quiet" aria-label=${`${store.live.value.length} in flight`}>${store.live.value.length}</b>`}
            </a>
          </li>`,
      )}
    </ul>
    <div class="foot">
      <button class="flat" onClick=${turnTheme}>${theme.value === 'dark' ? 'Light theme' : 'Dark theme'}</button>
      <button class="flat" onClick=${store.signOut}>Sign out</button>
      <p>${version}</p>
    </div>
  </nav>`;
}

function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
    <path class="posts" d="M6 4v24M26 4v24" />
    <path class="gate" d="M11 5h10v9H11z" />
    <path class="water" d="M10 22q3-3.2 6 0t6 0" />
  </svg>`;
}

/** @param {{ at: typeof VIEWS[number] }} props */
function Main({ at }) {
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const first = useRef(true);
  useEffect(() => {
    document.title = `${at.name} · Headgate`;
    scrollTo(0, 0);
    document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
    // Whoever hears the page instead of seeing it is told that it is another now.
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [at.path]);
  return html`<main ref=${main} tabindex="-1" id="main" aria-label=${at.name}>
    <div class="top">
      <h1>${at.name}</h1>
      <span class="aside zone" title="Logs and commands: UTC">Times in ${zone()}</span>
      <${Pulse} />
    </div>
    <${Lost} />
    <${at.view} />
  </main>`;
}

const LINK_WORDS = { live: 'Live', stale: 'Not live', lost: 'Not live', loading: 'Connecting', out: '' };

/** What is shown is old, and why. */
function Lost() {
  const link = store.link.value;
  if (link === 'live' || link === 'loading') return '';
  return html`<p class="callout bad lost" role="alert">
    <strong>${store.why.value} Trying again.</strong> What is shown here is from <${Time} at=${store.heardAt.value} zoned />.
  </p>`;
}

function Pulse() {
  const link = store.link.value;
  return html`<span class=${`pulse ${link}`} role="status"><i aria-hidden="true"></i>${LINK_WORDS[link]}</span>`;
}

function Notice() {
  const notice = store.notice.value;
  return html`<div class="notices" role="status" aria-live="polite">
    ${notice !== null && html`<p class=${notice.bad ? 'bad' : ''}>${notice.text}</p>`}
  </div>`;
}

function SignIn() {
  const [key, setKey] = useState('');
  const [problem, setProblem] = useState(store.whyOut.value);
  /** The key that is being judged; null: none. */
  const [judged, setJudged] = useState(/** @type {string | null} */ (null));
  const turn = useRef(0);
  /** @param {Event} event */
  const go = async (event) => {
    event.preventDefault();
    const given = key.trim();
    if (given === judged) return;
    // Another key may come while one is judged: what is said is of the last.
    const mine = ++turn.current;
    setJudged(given);
    setProblem(null);
    const why = await store.signIn(given);
    if (mine !== turn.current) return;
    setProblem(why);
    setJudged(null);
  };
  return html`<main class="door">
    <form class="panel" onSubmit=${go}>
      <${Mark} />
      <h1>Headgate</h1>
      <label for="key">Admin key</label>
      <input
        id="key"
        type="password"
        autocomplete="current-password"
        autofocus
        required
        value=${key}
        onInput=${(/** @type {any} */ event) => {
          setKey(event.target.value);
          setProblem(null);
        }}
        aria-describedby="key-help"
      />
      ${problem !== null && html`<p class="problem" role="alert">${problem}</p>`}
      <button class="primary" aria-busy=${judged !== null}>${judged !== null && judged === key.trim() ? 'Looking at it…' : 'Open'}</button>
      <p id="key-help" class="help">
        It is in <code>.headgate/admin.key</code> on the machine where Headgate runs, unless <code>admin.key</code> is set. A client's key
        with <code>admin: true</code> opens it as well.
      </p>
    </form>
  </main>`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('console')));
if (document.documentElement.dataset['door'] === 'open') store.connect();
else store.link.value = 'out';
