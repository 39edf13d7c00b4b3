import { describe, expect, it } from 'vitest';
import { renderMetrics, toClassicText, wantsOpenMetrics } from '../../../../gateway/telemetry/metrics/exposition.ts';
import { callOf, createScene } from '../events/scene.ts';

const PROMETHEUS_ACCEPT =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

async function page(accept: string | undefined) {
  const scene = createScene();
  scene.events.requestEnded(callOf(), { kind: 'complete', status: 200 }, 200);
  return { ...(await renderMetrics(scene.metrics.registry, accept)), registry: scene.metrics.registry };
}

describe('the metrics page', () => {
  it('is classic text unless OpenMetrics is asked for', async () => {
    for (const accept of [undefined, '', '*/*', 'text/plain', 'text/html,*/*;q=0.8', 'application/openmetrics-text;q=0']) {
      const { contentType, body } = await page(accept);
      expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
      expect(body).toContain('# TYPE headgate_requests_total counter\nheadgate_requests_total{');
      expect(body).not.toContain('# EOF');
      expect(body.endsWith('\n') && !body.endsWith('\n\n')).toBe(true);
    }
  });

  it('is OpenMetrics where the client prefers it', async () => {
    const { contentType, body } = await page(PROMETHEUS_ACCEPT);
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(body).toContain('# TYPE headgate_requests counter\nheadgate_requests_total{');
    expect(body.endsWith('\n# EOF\n')).toBe(true);
    expect(body).not.toContain('\n\n');
  });

  it('keeps the names of counters however often the format changes', async () => {
    const { registry, body } = await page(undefined);
    const open = await renderMetrics(registry, PROMETHEUS_ACCEPT);
    expect((await renderMetrics(registry, undefined)).body).toBe(body);
    expect((await renderMetrics(registry, PROMETHEUS_ACCEPT)).body).toBe(open.body);
  });

  it('says the same in both formats', async () => {
    const { registry, body } = await page(undefined);
    const open = await renderMetrics(registry, PROMETHEUS_ACCEPT);
    const samples = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(samples(open.body)).toEqual(samples(body));
    expect(samples(body).length).toBeGreaterThan(100);
  });
});

describe('OpenMetrics as classic text', () => {
  it('loses the exemplar and the end mark, and gives the counter its name back', () => {
    const open = [
      '# HELP hits Hits of # {a="b"} kind.',
      '# TYPE hits counter',
      'hits_total{path="/"} 3 # {trace_id="abc"} 1 1520879607.789',
      '# HELP depth Depth.',
      '# TYPE depth gauge',
      'depth 4',
      '# EOF',
      '',
    ];
    expect(toClassicText(open.join('\n')).split('\n')).toEqual([
      '# HELP hits_total Hits of # {a="b"} kind.',
      '# TYPE hits_total counter',
      'hits_total{path="/"} 3',
      '# HELP depth Depth.',
      '# TYPE depth gauge',
      'depth 4',
      '',
    ]);
  });

  it('takes nothing for an exemplar that stands in a label', () => {
    const sample = 'info{name="a # {b=\\"c\\"} 1"} 1';
    expect(toClassicText(sample)).toBe(sample);
    expect(toClassicText(`${sample} # {trace_id="x"} 1`)).toBe(sample);
  });
});

describe('the Accept header', () => {
  it.each([
    [PROMETHEUS_ACCEPT, true],
    ['application/openmetrics-text', true],
    ['Application/OpenMetrics-Text; Version=1.0.0', true],
    ['text/plain;q=0.9, application/openmetrics-text;q=0.9', true],
    ['text/plain, application/openmetrics-text;q=0.5', false],
    ['application/openmetrics-text;q=nonsense', false],
    ['application/json', false],
    [',;,', false],
  ])('%s', (accept, open) => {
    expect(wantsOpenMetrics(accept)).toBe(open);
  });
});
