import { parseArgs } from 'node:util';
import { say, Scene, until } from '../scene.ts';
import { type EngineKind, startMortalEngines } from './mortal-engines.ts';
import { type Seen, watchStream } from './watched-stream.ts';

// `npm run show:resume -- --engine sim|vllm [--streams 16] [--tokens 200]`: two engines answer streams at temperature 0, half of them
// completions and half chats, and one engine core is killed in the middle. Each answer is held against that of the same request when nobody
// was killed.

const HELP = 'npm run show:resume -- [--engine sim|vllm] [--streams N] [--tokens N]';
const options = {
  engine: { type: 'string', default: 'sim' },
  streams: { type: 'string', default: '16' },
  tokens: { type: 'string', default: '200' },
} as const;
const { values } = parseArgs({ options });
const kind = values.engine as EngineKind;
const [streams, tokens] = [Number(values.streams), Number(values.tokens)];
if (!['sim', 'vllm'].includes(kind) || !(streams >= 2 && tokens >= 20)) {
  say(HELP);
  process.exit(2);
}

/** Tokens of the tiny model that stand for one byte of a character of two or more: of such a text an event may hold none. */
const BYTES = { allowed_token_ids: Array.from({ length: 150 }, (_, i) => 97 + i) };

interface Request {
  readonly path: string;
  readonly body: object;
}

function requestOf(at: number, model: string): Request {
  // Without the penalty a model of random weights says the same few words for ever.
  const common = { model, max_tokens: tokens, temperature: 0, ignore_eos: true, repetition_penalty: 1.2, user: `stream-${at}` };
  const words = `Tell me of the river, ${['mill', 'keeper', 'gate'][at % 3]} and ${at} stones.`;
  if (isCompletion(at)) return { path: '/v1/completions', body: { ...common, prompt: words, ...(isOfBytes(at) && BYTES) } };
  return { path: '/v1/chat/completions', body: { ...common, messages: [{ role: 'user', content: words }] } };
}

using scene = await Scene.open({}, {});
say(kind === 'vllm' ? 'Two vLLMs with a model of random weights start; it takes minutes.' : 'Two simulated engines start.');
using engines = await startMortalEngines(scene, kind);
scene.set({
  workers: engines.urls.map((url) => ({ url, max_num_seqs: 64 })),
  resume: { enabled: true },
  load_balancer: { policy: 'round_robin', slow_start_ms: 0 },
  single_flight: { enabled: false },
});
scene.start('gateway');
await scene.ready();
await until(async () => (await readyWorkers()) === 2, 'both workers are ready', 60_000);

const requests = Array.from({ length: streams }, (_, at) => requestOf(at, engines.model));
say(`${streams} streams of ${tokens} tokens, unbroken:`);
const unbroken = await runAll(() => {});
say(
  `first token p50 ${Math.round(
    quantile(
      unbroken.map(({ firstMs }) => firstMs),
      0.5,
    ),
  )} ms`,
);
say(`The same, and the engine core of the first worker is killed when each has a fifth of its text:`);
let isKilled = false;
const broken = await runAll((said) => {
  if (isKilled || said.some((characters, at) => characters < unbroken[at]!.text.length / 5)) return;
  isKilled = true;
  engines.kill(0);
});

const resumed = broken.filter((one) => one.resumed > 0);
const gaps = resumed.flatMap(({ gapMs }) => gapMs ?? []);
const first = quantile(
  unbroken.map(({ firstMs }) => firstMs),
  0.5,
);
say(
  `resumed: ${resumed.length} of ${streams}, of ${broken.filter(({ worker }) => worker === new URL(engines.urls[0]!).host).length} at the worker that was killed`,
);
for (const [name, isOf] of [
  ['completions', isCompletion],
  ['chats', (at: number) => !isCompletion(at)],
] as const) {
  const some = broken.map((one, at) => ({ one, at })).filter(({ one, at }) => one.resumed > 0 && isOf(at));
  say(`${name}: text as unbroken ${some.filter(({ one, at }) => one.text === unbroken[at]!.text).length} of ${some.length} resumed`);
}
say(`one id, one finish reason, one [DONE], no error, all tokens counted: ${broken.filter(isWhole).length} of ${streams}`);
if (gaps.length > 0)
  say(
    `without text around the death: p50 ${Math.round(quantile(gaps, 0.5))} ms, p95 ${Math.round(quantile(gaps, 0.95))} ms (${(quantile(gaps, 0.5) / first).toFixed(1)} and ${(quantile(gaps, 0.95) / first).toFixed(1)} times a first token)`,
  );
for (const [at, one] of broken.entries()) {
  if (!isWhole(one)) say(`  stream ${at}: ${JSON.stringify({ ...one, text: one.text.length })}`);
  else if (one.text !== unbroken[at]!.text)
    say(
      `  stream ${at}, ${one.resumed > 0 ? 'resumed' : 'never broken'}: other text from character ${commonLength(one.text, unbroken[at]!.text)}`,
    );
}
const areSame = broken.every((one, at) => !isCompletion(at) || one.text === unbroken[at]!.text);
const isShown = resumed.length > 0 && broken.every(isWhole) && areSame;
say(isShown ? 'Every stream came to its end, and every completion is the unbroken one.' : 'That is not as it should be.');
process.exitCode = isShown ? 0 : 1;

async function runAll(onText: (said: readonly number[]) => void): Promise<Seen[]> {
  const said = requests.map(() => 0);
  return Promise.all(
    requests.map(({ path, body }, at) =>
      watchStream(scene.url, path, body, (characters) => {
        said[at]! += characters;
        onText(said);
      }),
    ),
  );
}

async function readyWorkers(): Promise<number> {
  const { workers } = (await (await scene.admin('/admin/status'))!.json()) as { workers: { state: string }[] };
  return workers.filter(({ state }) => state === 'ready').length;
}

/** Half of the completions of a vLLM. */
function isOfBytes(at: number): boolean {
  return kind === 'vllm' && at % 8 < 2;
}

/** In pairs, as workers are asked in turn. */
function isCompletion(at: number): boolean {
  return at % 4 < 2;
}

function isWhole({ ids, finishes, dones, errors, usage }: Seen): boolean {
  return ids === 1 && finishes === 1 && dones === 1 && errors === 0 && usage?.completion_tokens === tokens;
}

function quantile(all: readonly number[], share: number): number {
  return all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))] ?? Number.NaN;
}

function commonLength(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return at;
}
