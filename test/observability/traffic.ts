import { writeFileSync } from 'node:fs';
import { inputLine, submit } from '../flow/batch-scene.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { strike } from '../support/sim.ts';
import { asAdmin, FIRST, type House, type HouseGateway, KEYS, SECOND, STORY } from './house.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const JSON_TYPE = { 'content-type': 'application/json' };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Status {
  readonly workers: readonly {
    readonly id: string;
    readonly state: string;
    readonly pid: number | null;
    readonly url: string;
    readonly restarts: number;
    readonly model: string | null;
  }[];
}

/** Says what of the gateway's life a step was. */
export type Tell = (step: string) => void;

/** Sends what a gateway meets in its life, good and bad, once through: a minute of it. */
export async function live(house: House, tell: Tell): Promise<void> {
  tell('calls with keys: streams, the same again, at the same time, too many, wrong ones');
  await callsWithKeys(house.full);
  tell('engines that fail, reset, break off and hang; a queue that is full; calls that another model takes; clients that leave');
  await faults(house);
  tell('a batch, while calls go on');
  await batches(house.full);
  tell('an engine that is killed, one short of memory, a change of the model');
  await livesOfEngines(house.full);
  tell('a card that is lent out for a moment');
  await lendCard(house.full);
  tell('a collector that refuses, and one that takes some of what it is sent');
  await troubleWithTraces(house);
  tell('settings that are refused');
  writeFileSync(house.full.file, '{"cache": {"enabled": "perhaps"}}');
  await asAdmin(house.full, '/admin/reload', 'POST');
  await pause(2_500);
  writeFileSync(house.full.file, JSON.stringify(house.full.settings));
  await asAdmin(house.full, '/admin/reload', 'POST');
  tell('calls of all kinds, once more');
  await callsWithKeys(house.full);
  await faults(house);
  // What was counted last is read, and the step of a query gets there.
  await pause(4_000);
}

async function chat({ url }: HouseGateway, body: object, headers: Record<string, string> = {}, leaveAfterMs?: number): Promise<number> {
  const signal = AbortSignal.timeout(leaveAfterMs ?? 30_000);
  const all = { messages: [{ role: 'user', content: 'Tell a story.' }], max_tokens: 20, ...body };
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...headers },
      body: JSON.stringify(all),
      signal,
    });
    await response.text();
    return response.status;
  } catch {
    // It left, or the answer broke off, as it was meant to.
    return 0;
  }
}

async function callsWithKeys(gateway: HouseGateway): Promise<void> {
  const [app, scarce] = [KEYS.app, KEYS.scarce].map((key) => ({ authorization: `Bearer ${key}` })) as [
    { authorization: string },
    { authorization: string },
  ];
  const id = await loaded(gateway);
  const traceparent = (index: number): string => `00-${TRACE.slice(1)}${index}-00f067aa0ba902b7-01`;
  for (let i = 0; i < 6; i++) {
    const own = { ...app, 'x-session-id': `session-${i}`, traceparent: traceparent(i), 'idempotency-key': `same-${i % 3}` };
    await chat(gateway, { model: id, stream: true, messages: [{ role: 'user', content: `Story ${i % 3}` }] }, own);
  }
  const same = { model: id, temperature: 0, max_tokens: 60 };
  for (let i = 0; i < 5; i++) {
    const asked = { ...same, messages: [{ role: 'user', content: `Fact ${i}` }] };
    await Promise.all([chat(gateway, asked, app), chat(gateway, asked, app)]);
    await chat(gateway, asked, app);
  }
  await Promise.all(Array.from({ length: 4 }, () => chat(gateway, { model: id }, scarce)));
  await chat(gateway, { model: 'nobody' }, app);
  await chat(gateway, { model: id, max_tokens: 'many' }, app);
  await chat(gateway, { model: id }, { authorization: 'Bearer sk-wrong' });
}

/** The model that is loaded. */
async function loaded(gateway: HouseGateway): Promise<string> {
  const [worker] = (await asAdmin<Status>(gateway, '/admin/status')).workers;
  return worker?.model ?? FIRST;
}

async function faults({ front, engines }: House): Promise<void> {
  const model = 'sim-1B';
  const story = { model, stream: true, max_tokens: 200 };
  await Promise.all(Array.from({ length: 10 }, () => chat(front, story)));
  await Promise.all(Array.from({ length: 10 }, () => chat(front, { ...story, model: STORY })));
  await Promise.all([50, 100, 400].map((ms) => chat(front, story, {}, ms)));
  for (const [fault, count] of [
    ['error-midstream', 2],
    ['reset', 2],
  ] as const) {
    for (const { url } of engines) await strike(url, { fault, count });
    for (let i = 0; i < 4; i++) await chat(front, story);
  }
  for (const { url } of engines) await strike(url, { fault: 'error-500', count: 12 });
  for (let i = 0; i < 12; i++) await chat(front, { model, max_tokens: 5 });
  for (const { url } of engines) await strike(url, { fault: 'none' });
  await pause(2_000);
  // More than are kept.
  for (const seed of [1, 2, 3, 4]) await chat(front, { model, max_tokens: 5, seed, temperature: 0 });
  for (let i = 0; i < 6; i++) await chat(front, { model, max_tokens: 5 });
}

async function lendCard(gateway: HouseGateway): Promise<void> {
  const headers = { ...AS_ADMIN, ...JSON_TYPE };
  const lease = { gpu: 0, minutes: 1, holder: 'the test house' };
  const ask = async (method: string, path: string, body: object | null): Promise<Response> =>
    fetch(`${gateway.url}${path}`, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20_000) });
  await until(async () => (await ask('POST', '/admin/gpu/lease', lease)).status === 200, 'the card is lent', 20_000);
  // Prometheus reads it.
  await pause(3_000);
  await ask('DELETE', '/admin/gpu/lease?gpu=0', null);
  await until(
    async () => (await chat(gateway, { model: FIRST, max_tokens: 2 }, { authorization: `Bearer ${KEYS.app}` })) === 200,
    'its worker is back',
    40_000,
  );
}

async function troubleWithTraces({ full, collector }: House): Promise<void> {
  const app = { authorization: `Bearer ${KEYS.app}` };
  const sound = collector.answer;
  // Not 503, with which spans are sent again.
  for (const answer of [{ status: 401 }, { status: 200, body: { partialSuccess: { rejectedSpans: 1, errorMessage: 'too old' } } }]) {
    collector.answer = answer;
    const before = collector.requests.length;
    await chat(full, { model: FIRST, max_tokens: 2 }, app);
    await until(() => collector.requests.length > before, 'the collector was sent spans', 20_000);
  }
  collector.answer = sound;
}

async function batches(gateway: HouseGateway): Promise<void> {
  const app = { authorization: `Bearer ${KEYS.app}` };
  const model = await loaded(gateway);
  const lines = Array.from({ length: 400 }, (_, at) => inputLine(`${at}`, `Line ${at}`, model));
  const id = await submit(gateway.url, lines, app);
  const open = async (): Promise<boolean> => {
    const batch = (await (await fetch(`${gateway.url}/v1/batches/${id}`, { headers: app })).json()) as { status: string };
    return !['completed', 'failed', 'cancelled'].includes(batch.status);
  };
  const endsAt = Date.now() + 15_000;
  while (Date.now() < endsAt && (await open())) await pause(300);
  if (await open()) await fetch(`${gateway.url}/v1/batches/${id}/cancel`, { method: 'POST', headers: app });
}

async function livesOfEngines(gateway: HouseGateway): Promise<void> {
  const worker = async () => (await asAdmin<Status>(gateway, '/admin/status')).workers[0]!;
  const readyAgain = async (restarts: number) => {
    await until(
      async () => {
        const now = await worker();
        return now.state === 'ready' && now.restarts > restarts;
      },
      'the engine is ready again',
      40_000,
    );
  };
  let { pid, restarts, url } = await worker();
  process.kill(pid!, 'SIGKILL');
  await readyAgain(restarts);
  ({ restarts, url } = await worker());
  await strike(url, { fault: 'oom-runtime', count: 1 });
  await chat(gateway, { model: FIRST }, { authorization: `Bearer ${KEYS.app}` });
  await readyAgain(restarts);
  for (const model of [SECOND, FIRST]) {
    await asAdmin(gateway, `/admin/models/${model}/load`, 'POST');
    await until(
      async () => (await chat(gateway, { model, max_tokens: 2 }, { authorization: `Bearer ${KEYS.app}` })) === 200,
      `${model} answers`,
      40_000,
    );
  }
}
