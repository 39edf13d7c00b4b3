import { describe, expect, test } from 'vitest';
import { CASES } from '../../../scripts/bench/cases.ts';
import { chooseCores, readCpuList } from '../../../scripts/bench/cores.ts';
import { readOptions } from '../../../scripts/bench/options.ts';
import { loadArguments, LOAD_DEFAULTS, parseLoadOptions } from '../../../scripts/bench/tools/load-options.ts';

const KNOWN = ['headgate', 'bare', 'haproxy'];

function options(...argv: string[]) {
  const read = readOptions(argv, KNOWN, ['envoy']);
  if (read.kind !== 'options') throw new Error(JSON.stringify(read));
  return read.options;
}

describe('the command line of the bench', () => {
  test('asks for three rounds of all cases but the long ones', () => {
    const { rounds, seconds, cases, proxies } = options();
    expect({ rounds, seconds, proxies }).toEqual({ rounds: 5, seconds: 2, proxies: null });
    expect(cases).toEqual(CASES.filter(({ isLong }) => !isLong).map(({ name }) => name));
  });

  test('--all has every case, --quick a few, and what is named beats both', () => {
    expect(options('--all').cases).toHaveLength(CASES.length);
    expect(options('--quick').cases.length).toBeLessThan(6);
    expect(options('--quick', '--only', 'memory-5000,chat', '--rounds', '7')).toMatchObject({ cases: ['memory-5000', 'chat'], rounds: 7 });
  });

  test('another gateway is named with its address and process', () => {
    const { against, stubPort } = options('--against', 'olla=http://localhost:4000/olla/openai,1234', '--stub-port', '9000');
    expect(against).toEqual([{ name: 'olla', url: new URL('http://localhost:4000/olla/openai'), pid: 1234 }]);
    expect(stubPort).toBe(9000);
    expect(options('--against', 'x=http://127.0.0.1:1', '--stub-port', '9').against[0]?.pid).toBeNull();
  });

  test('peers can be named with --peers', () => {
    expect(options('--peers', '--proxies', 'headgate,envoy')).toMatchObject({ peers: true, proxies: ['headgate', 'envoy'] });
    expect(() => options('--proxies', 'headgate,envoy')).toThrow('there is no proxy envoy');
  });

  test.each([
    [['--only', 'chatt'], 'there is no case chatt'],
    [['--proxies', 'headgate,envoi'], 'there is no proxy envoi; there are headgate, bare, haproxy'],
    [['--against', 'olla=http://127.0.0.1:4000,1'], '--stub-port'],
    [['--against', 'olla=http://10.0.0.1:4000,1', '--stub-port', '9'], 'on this machine, not 10.0.0.1'],
    [['--against', '4000', '--stub-port', '9'], 'NAME=URL,PID'],
    [['--rounds', '0'], '--rounds must be a number from 1 on'],
    [['--seconds', 'x'], '--seconds must be a number'],
    [['--all', '--quick'], 'two different things'],
    [['--speed'], '--speed'],
  ])('%j is refused in words', (argv, problem) => {
    expect(readOptions(argv, KNOWN, ['envoy'])).toEqual({ kind: 'usage', problem: expect.stringContaining(problem) });
  });
});

test('what a load is told is what it reads', () => {
  const asked = { port: 80, connections: 5, maxTokens: 3, stream: true, graceS: 0, path: '/v1/embeddings', abort: 0.2 };
  expect(loadArguments({ ...asked, seconds: LOAD_DEFAULTS.seconds })).not.toContain('--seconds');
  expect(parseLoadOptions(loadArguments(asked))).toEqual({ ...LOAD_DEFAULTS, ...asked });
});

describe('CPUs', () => {
  const pairs = (cpu: number) => String(cpu % 4);
  test.each([
    ['one', [0], String, { proxy: null, stub: null, load: null }],
    ['two', [0, 1], String, { proxy: 0, stub: 1, load: 1 }],
    ['two, which are one core', [0, 1], () => 'a', { proxy: 0, stub: 1, load: 1 }],
    ['three', [2, 3, 5], String, { proxy: 2, stub: 3, load: 5 }],
    ['four cores of two threads', [0, 1, 2, 3, 4, 5, 6, 7], pairs, { proxy: 1, stub: 2, load: 3 }],
  ])('%s: nothing shares a core with the proxy where that can be had', (_, cpus, coreOf, chosen) => {
    expect(chooseCores(cpus, coreOf)).toEqual(chosen);
  });

  test('are listed as the kernel lists them', () => {
    expect(readCpuList('0-2,5')).toEqual([0, 1, 2, 5]);
    expect(readCpuList('')).toEqual([]);
  });
});
