import { describe, expect, test } from 'vitest';
import { answers, startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { ask, chat, errorOf } from './asking.ts';
import { endsOf, settled, statsOf } from './settled.ts';

/** Gateways of which each has the next one as a worker, and engines of its own besides; all know that all are ready. */
async function circle(engines: readonly (readonly FakeVllm[])[]): Promise<TestGateway[]> {
  const ports = await Promise.all(engines.map(() => freePort()));
  const gateways = await Promise.all(
    engines.map((own, at) => {
      const next = `http://127.0.0.1:${ports[(at + 1) % ports.length]}`;
      return startTestGateway([...own.map(({ url }) => url), next], { server: { port: ports[at]! } });
    }),
  );
  const areReady = () => gateways.every(({ gateway }) => gateway.status().workers.every(({ state }) => state === 'ready'));
  await until(areReady, 'all workers of all gateways ready');
  return gateways;
}

describe('gateways that have each other as workers', () => {
  test.each([2, 3])('use the engines of each other, and none has a call twice (%i)', async (count) => {
    await using engines = disposed(await Promise.all(Array.from({ length: count }, () => startFakeVllm())));
    await using gateways = disposed(await circle(engines.all.map((engine) => [engine])));
    for (let round = 0; round < 30; round++) {
      const { status } = await ask(gateways.all[round % count]!.url, chat());
      expect(status).toBe(200);
    }
    const requests = engines.all.flatMap((engine) => engine.requests);
    expect(requests).toHaveLength(30);
    // An engine is told nothing of it.
    expect(requests.filter(({ headers }) => headers.via !== undefined)).toEqual([]);
    const asked = gateways.all.map((gateway) => endsOf(gateway).length);
    const came = asked.reduce((sum, calls) => sum + calls, 0);
    // Some went on to the next gateway, and none had it twice and answered it.
    expect(came).toBeGreaterThan(30);
    // What came back is no failure of whoever sent it.
    for (const gateway of gateways.all) {
      for (const breaker of Object.values((await statsOf(gateway)).breakers)) {
        expect(breaker).toMatchObject({ state: 'closed', consecutive_failures: 0 });
      }
      await settled(gateway);
    }
  });

  test('refuse a call that none of their engines takes, when it comes round', async () => {
    await using engine = await startFakeVllm();
    engine.script = answers.error(503, { error: { message: 'full', type: 'x', code: 503 } });
    await using gateways = disposed(await circle([[engine], []]));
    for (const gateway of gateways.all) {
      const refused = await ask(gateway.url, chat());
      expect([refused.status, await errorOf(refused)]).toMatchObject([503, { code: 'server_is_overloaded' }]);
    }
    for (const gateway of gateways.all) await settled(gateway);
    // The one without engines asks its only worker, which asks its engine, and it again.
    const loops = gateways.all.map(({ log }) => log.filter((line) => line['code'] === 'loop_detected' && line['status'] === 508).length);
    expect(loops[0]! + loops[1]!).toBeLessThanOrEqual(2);
    expect(loops[1]).toBeGreaterThanOrEqual(1);
    expect(engine.requests).toHaveLength(2);
  });
});

test('a call that has been here already is refused before its body is read', async () => {
  await using behind = await startFakeVllm();
  // As the page of a gateway tells that it is one.
  behind.pages['/v1/models'] = { object: 'list', data: [{ id: 'm', object: 'model', created: 1, owned_by: 'vllm', headgate: {} }] };
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
