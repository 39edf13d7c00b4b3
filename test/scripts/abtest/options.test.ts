import { describe, expect, test } from 'vitest';
import { readAbtestOptions } from '../../../scripts/abtest/options.ts';

const read = (line: string) =>
  readAbtestOptions(
    line.split(' ').filter((word) => word !== ''),
    {},
  );

describe('its command line', () => {
  test.each([
    ['', 'what is compared?'],
    ['--window 5', 'one alone is no comparison'],
    ['--window 5,x', '--window must be a whole number'],
    ['--window 0,20 --models a,b', '--window and --models are different comparisons'],
    ['--models a,b --model c', 'leave out --model'],
    ['--models a,', 'empty'],
    ['http://a --urls http://b,http://c', 'leave out http://a'],
    ['--urls b,c', 'is no URL'],
    ['--set window=1,2', '--set is written PATH=A,B'],
    ['--set a.b=1,2 --set a.c=1,2,3', 'paired by position'],
    ['--window 1,2 --set batch_window.window_ms=1,2', 'given twice'],
    ['--window 0,20 --trace f', '--trace is one load as a whole'],
    ['--window 0,20 --slots 5 --duration 5m', 'choose one'],
    ['--window 0,20 --duration 5s', 'no room for one block'],
    ['--window 0,20 --judge fast', '--judge takes'],
    ['--window 0,20 --judge goodput', 'needs objectives'],
    ['--window 0,20 --judge ttft:p95 --no-stream', 'a matter of streams'],
    ['--window 0,20 --confidence 2', '--confidence must be a number'],
    ['--window 0,20 --slot 1s --rate 0.1', 'no call falls into a slot'],
    ['--window 0,20 --rat 5', "Unknown option '--rat'"],
    ['--window 0,20 --rate', 'argument missing'],
  ])('%s', (line, problem) => {
    const got = read(line);
    expect(got).toMatchObject({ kind: 'usage' });
    expect(got.kind === 'usage' && got.problem).toContain(problem);
  });

  test('flags of a load pass, and a slot of it is as long as both of its parts', () => {
    expect(read('http://a --window 0,20 --rate 9 --slot 3s --settle 500ms --slo ttft:5 e2e:9 --json')).toMatchObject({
      kind: 'options',
      options: {
        ...{ slotMs: 3000, settleMs: 500, blocks: 12, confidence: 0.95 },
        judged: [{ kind: 'throughput' }, { time: 'ttft', shape: 'p95' }, { time: 'e2e' }, { kind: 'goodput' }],
        load: { url: 'http://a', json: true, slo: { ttft: 5, e2e: 9 }, schedule: { stages: [{ from: 9, to: 9, seconds: 3.5 }] } },
      },
    });
    expect(read('--models a,b --duration 5m --no-stream')).toMatchObject({
      options: { blocks: 12, judged: [{ kind: 'throughput' }, { time: 'e2e' }] },
    });
    expect(read('--set load_balancer.affinity=none,session')).toMatchObject({
      options: { arms: [{ name: 'affinity none' }, { settings: { 'load_balancer.affinity': 'session' } }] },
    });
  });
});
