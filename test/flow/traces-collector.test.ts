import { expect, test } from 'vitest';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { type CollectorAnswer, startOtlpCollector } from '../support/otlp-collector.ts';
import { freePort } from '../support/ports.ts';
import { ask, chat } from './asking.ts';

const REQUESTS = 5;
/** receive, admission, the attempt, and the request itself. */
const SPANS = 4;

async function counted(gateway: TestGateway, name: string): Promise<number> {
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  return [...page.matchAll(new RegExp(`^headgate_${name}(?:\\{[^}]*\\})? (\\d+)`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
}

async function serve(gateway: TestGateway): Promise<void> {
  await gateway.gateway.firstReady;
  for (let n = 0; n < REQUESTS; n++) {
    const answer = await ask(gateway.url, chat());
    expect(answer.status).toBe(200);
    await answer.text();
  }
}

function losses(gateway: TestGateway): string[] {
  return gateway.log.filter(({ event }) => event === 'traces.lost').map(({ msg }) => String(msg));
}

test.each<[string, CollectorAnswer, RegExp]>([
  ['refuses', { status: 401, body: { message: 'who are you' } }, /did not take them \(401/],
  ['fails', { status: 500 }, /did not take them \(500/],
  ['wants to be left alone', { status: 429, headers: { 'retry-after': '600' } }, /did not take them/],
])('a collector that %s costs the spans, which are counted, and nothing else', async (_what, answer, words) => {
  await using collector = await startOtlpCollector();
  collector.answer = answer;
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { telemetry: { otlp_endpoint: collector.url, sample_ratio: 1 } });
  await serve(gateway);
  await until(async () => (await counted(gateway, 'spans_lost_total')) === REQUESTS * SPANS, 'every span counted as lost');
  expect(await counted(gateway, 'spans_exported_total')).toBe(0);
  expect(losses(gateway)[0]).toMatch(words);
  expect(losses(gateway)[0]).toContain(`${collector.url}/v1/traces`);
});

test('spans that a collector refuses of those it took are counted', async () => {
  await using collector = await startOtlpCollector();
  collector.answer = { status: 200, body: { partialSuccess: { rejectedSpans: 3, errorMessage: 'too old' } } };
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { telemetry: { otlp_endpoint: collector.url, sample_ratio: 1 } });
  await serve(gateway);
  await until(async () => (await counted(gateway, 'spans_lost_total')) > 0, 'some counted as lost');
  const lost = await counted(gateway, 'spans_lost_total');
  await until(async () => lost + (await counted(gateway, 'spans_exported_total')) >= REQUESTS * SPANS, 'the others counted as sent');
  expect(lost % 3).toBe(0);
});

test.each([
  ['is away', null],
  ['says nothing', 'silence' as const],
])('a collector that %s delays neither answers nor, by more than two seconds, the end', async (_what, answer) => {
  await using collector = await startOtlpCollector();
  if (answer !== null) collector.answer = answer;
  const url = answer === null ? `http://127.0.0.1:${await freePort()}` : collector.url;
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { telemetry: { otlp_endpoint: url, sample_ratio: 1 } });
  await serve(gateway);
  expect(collector.spans).toEqual([]);
  await gateway.stop();
  const told = losses(gateway).join('\n');
  expect([...told.matchAll(/(\d+) because/g)].reduce((sum, [, spans]) => sum + Number(spans), 0)).toBe(REQUESTS * SPANS);
});

test('nothing of OpenTelemetry is loaded, and no trace named, where no collector is set', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await serve(gateway);
  await gateway.stop();
  const ends = gateway.log.filter(({ event }) => event === 'request.end');
  expect(ends).toHaveLength(REQUESTS);
  for (const end of ends) expect(end).not.toHaveProperty('trace_id');
  expect(worker.requests[0]!.headers['traceparent']).toBeUndefined();
});
