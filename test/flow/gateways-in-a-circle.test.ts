import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { ask, chat, errorOf } from './asking.ts';
import { endsOf, settled, statsOf } from './settled.ts';

interface Circle {
  /** Of each gateway. */
  readonly engines: readonly (readonly FakeVllm[])[];
  /** How the line of the next gateway is written besides its url. */
  readonly line?: { readonly engine?: 'openai'; readonly models?: string[] };
  readonly settings?: SettingsInput;
}

/** Gateways of which each has all others as workers, and engines of its own. */
async function circle({ engines, line = {}, settings = {} }: Circle): Promise<TestGateway[]> {
  const ports = await Promise.all(engines.map(() => freePort()));
  return Promise.all(
    engines.map((own, at) => {
      const others = ports.filter((_, other) => other !== at).map((port) => ({ ...line, url: `http://127.0.0.1:${port}` }));
      return startTestGateway([], { ...settings, server: { port: ports[at]! }, workers: [...own.map(({ url }) => ({ url })), ...others] });
    }),
  );
}

const workersOf = ({ gateway }: TestGateway) => gateway.status().workers;
const areReady = (gateways: readonly TestGateway[]) => () =>
  gateways.every((gateway) => workersOf(gateway).every(({ state }) => state === 'ready'));
const loopsOf = (gateways: readonly TestGateway[]) => gateways.flatMap((gateway) => endsOf(gateway).filter(({ status }) => status === 508));

describe('gateways that have each other as workers', () => {
  test.each([2, 3, 4])('use the engines of each other, and none has a call twice (%i)', async (count) => {
    await using engines = disposed(await Promise.all(Array.from({ length: count }, () => startFakeVllm())));
    await using gateways = disposed(
      await circle({ engines: engines.all.map((engine) => [engine]), settings: { retry: { max_attempts: 1 } } }),
    );
    await until(areReady(gateways.all), 'all workers of all gateways ready');
    for (let round = 0; round < 15; round++) {
      const some = gateways.all.flatMap(({ url }) => [ask(url, chat()), ask(url, chat())]);
      expect((await Promise.all(some)).map(({ status }) => status)).toEqual(some.map(() => 200));
    }
    const requests = engines.all.flatMap((engine) => engine.requests);
    expect(requests).toHaveLength(30 * count);
    // An engine is told nothing of it.
    expect(requests.filter(({ headers }) => headers.via !== undefined)).toEqual([]);
    // Some went on to another gateway, and none to one that had it.
    expect(gateways.all.reduce((sum, gateway) => sum + endsOf(gateway).length, 0)).toBeGreaterThan(30 * count);
    expect(loopsOf(gateways.all)).toEqual([]);
    for (const gateway of gateways.all) {
      for (const breaker of Object.values((await statsOf(gateway)).breakers)) {
        expect(breaker).toMatchObject({ state: 'closed', consecutive_failures: 0 });
      }
      await settled(gateway);
    }
  });

  test.each([
    ['as they are found to be', {}],
    ['as services', { engine: 'openai' }],
    ['with the models that they are to have', { engine: 'openai', models: ['m'] }],
  ] satisfies [string, NonNullable<Circle['line']>][])(
    'and are listed %s, know each other though they knew no model when they were asked first',
    async (_, line) => {
      await using engine = await startFakeVllm();
      const { url } = engine;
      await using gateways = disposed(await circle({ engines: [[], []], line }));
      const [first, second] = gateways.all as [TestGateway, TestGateway];
      // Nobody has anything: whatever is asked ends at once.
      for (const gateway of gateways.all) expect((await ask(gateway.url, chat())).status).toBeOneOf([404, 503]);
      expect(Math.max(...gateways.all.map((gateway) => endsOf(gateway).length))).toBeLessThan(10);
      first.settings = { ...first.settings, workers: [...first.settings.workers!, { url }] };
      first.gateway.reload();
      await until(async () => (await ask(second.url, chat())).status === 200, 'it is served by way of the other', 60_000);
      expect(loopsOf(gateways.all).length).toBeLessThan(5);
      for (const gateway of gateways.all) await settled(gateway);
    },
  );

  test('that wait for the same answer do not wait for each other', async () => {
    await using engines = disposed(await Promise.all([startFakeVllm(), startFakeVllm()]));
    for (const engine of engines.all) {
      engine.script = (request, response) => setTimeout(() => answers.completion()(request, response), 30);
    }
    await using gateways = disposed(await circle({ engines: engines.all.map((engine) => [engine]) }));
    await until(areReady(gateways.all), 'all workers of all gateways ready');
    for (let round = 0; round < 40; round++) {
      const same = chat({ temperature: 0, messages: [{ role: 'user', content: `round ${round}` }] });
      const some = gateways.all.map(({ url }) => ask(url, same));
      expect((await Promise.all(some)).map(({ status }) => status)).toEqual([200, 200]);
    }
  });

  test('refuse a call when nobody is left but themselves, and say that they are not ready', async () => {
    const engines = await Promise.all([startFakeVllm(), startFakeVllm()]);
    await using gateways = disposed(await circle({ engines: engines.map((engine) => [engine]) }));
    await until(areReady(gateways.all), 'all workers of all gateways ready');
    for (const engine of engines) await engine.die();
    for (const gateway of gateways.all) {
      const refused = await ask(gateway.url, chat());
      expect(refused.status).toBeOneOf([502, 503]);
    }
    const isReady = async ({ url }: TestGateway) => (await fetch(`${url}/readyz`)).status === 200;
    await until(async () => !(await Promise.all(gateways.all.map(isReady))).includes(true), 'neither is ready', 60_000);
    const refused = await ask(gateways.all[0]!.url, chat());
    expect([refused.status, await errorOf(refused)]).toMatchObject([503, { code: 'no_worker' }]);
    for (const gateway of gateways.all) await settled(gateway);
  });
});

describe('a gateway before a gateway', () => {
  test('knows a model whose engine is away there, serves the others, and has it again soon', async () => {
    await using one = await startFakeVllm(['one']);
    const two = await startFakeVllm(['two']);
    await using site = await startTestGateway([one.url, two.url]);
    await using front = await startTestGateway([], { workers: [{ url: site.url, engine: 'openai' }] });
    await until(areReady([site, front]), 'all ready');
    const asked = async (model: string): Promise<[number, string | null]> => {
      const answer = await ask(front.url, chat({ model }));
      return [answer.status, answer.status === 200 ? null : (await errorOf(answer)).code];
    };
    expect([await asked('one'), await asked('two')]).toEqual([
      [200, null],
      [200, null],
    ]);
    await two.die();
    await until(() => workersOf(site).some(({ state }) => state !== 'ready'), 'the site knows that it is gone');
    for (let n = 0; n < 5; n++) {
      expect(await asked('two')).toEqual([503, 'no_worker']);
      expect(await asked('one')).toEqual([200, null]);
    }
    await using again = await startFakeVllm(['two']);
    site.settings = { workers: [{ url: one.url }, { url: again.url }] };
    site.gateway.reload();
    await until(async () => (await asked('two'))[0] === 200, 'it is served again', 60_000);
  });

  test('has of a site the models that the site has somebody for, also for calls that come by another', async () => {
    const [first, second] = await Promise.all([startFakeVllm(['a']), startFakeVllm(['a'])]);
    await using other = await startFakeVllm(['b']);
    await using half = await startTestGateway([first.url, other.url]);
    await using whole = await startTestGateway([second.url]);
    const sites = [half, whole].map(({ url }) => ({ url, engine: 'openai' as const }));
    await using front = await startTestGateway([], { workers: sites });
    await using top = await startTestGateway([], { workers: [{ url: front.url, engine: 'openai' }] });
    await until(areReady([half, whole, front, top]), 'all ready');
    await first.die();
    await until(() => workersOf(half).some(({ state }) => state !== 'ready'), 'the site knows that it is gone');
    for (let n = 0; n < 20; n++) expect((await ask(n % 2 === 0 ? top.url : front.url, chat({ model: 'a', seed: n }))).status).toBe(200);
    const stateOf = (gateway: TestGateway, model: string) => gateway.gateway.status().models.find(({ id }) => id === model)?.state;
    await second.die();
    await until(() => [front, top].every((gateway) => stateOf(gateway, 'a') !== 'ready'), 'it is known that nobody has it', 60_000);
    expect([front, top].map((gateway) => stateOf(gateway, 'b'))).toEqual(['ready', 'ready']);
    const refused = await ask(top.url, chat({ model: 'a' }));
    expect([refused.status, await errorOf(refused)]).toMatchObject([503, { code: 'no_worker' }]);
    expect((await ask(top.url, chat({ model: 'b' }))).status).toBe(200);
  });

  test('passes on that a client wants no other model, and nothing kept', async () => {
    await using other = await startFakeVllm(['other']);
    const own = await startFakeVllm(['own']);
    const models = [{ id: 'own', fallback: ['other'] }, { id: 'other' }];
    await using site = await startTestGateway([own.url, other.url], { models, cache: { enabled: true } });
    await using front = await startTestGateway([], { workers: [{ url: site.url, engine: 'openai', models: ['own', 'other'] }] });
    await until(areReady([site, front]), 'all ready');
    const same = chat({ model: 'other', temperature: 0 });
    for (let n = 0; n < 2; n++) await (await ask(front.url, same, { headers: { 'cache-control': 'no-store' } })).text();
    expect(other.requests).toHaveLength(2);
    await own.die();
    await until(() => workersOf(site).some(({ state }) => state !== 'ready'), 'the site knows that it is gone');
    expect((await ask(front.url, chat({ model: 'own' }))).status).toBe(200);
    const none = await ask(front.url, chat({ model: 'own' }), { headers: { 'x-headgate-fallback': 'none' } });
    expect(none.status).toBe(503);
  });
});

const BEHIND = 'b'.repeat(32);

test('a call that has been here already is refused before its body is read', async () => {
  await using behind = await startFakeVllm();
  // As the page of a gateway tells that it is one.
  behind.pages['/v1/models'] = {
    object: 'list',
    data: [{ id: 'm', object: 'model', created: 1, owned_by: 'vllm' }],
    headgate: { gateway: BEHIND },
  };
  await using gateway = await startTestGateway([behind.url]);
  await gateway.gateway.firstReady;
  const before = `1.1 headgate-${'0'.repeat(32)}`;
  expect((await ask(gateway.url, chat(), { headers: { via: `1.0 somebodys-proxy, ${before}` } })).status).toBe(200);
  const { via } = behind.requests[0]!.headers;
  expect(via).toMatch(new RegExp(`^${before}, 1\\.1 headgate-[\\da-f]{32}$`));
  const back = await ask(gateway.url, '{ no JSON', { headers: { via: `${via}, 1.1 somebodys-proxy` } });
  expect([back.status, back.headers.get('x-should-retry'), await errorOf(back)]).toMatchObject([508, 'false', { code: 'loop_detected' }]);
  expect(behind.requests).toHaveLength(1);
});

function disposed<T extends AsyncDisposable>(all: T[]): AsyncDisposable & { readonly all: T[] } {
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
