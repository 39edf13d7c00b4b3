import { EndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1';
import { describe, expect, test } from 'vitest';
import { readSlice, type Slice } from '../../../../gateway/discovery/kubernetes/slice.ts';
import { workersOf } from '../../../../gateway/discovery/kubernetes/workers-of.ts';

type Said = ConstructorParameters<typeof EndpointSlice>[0];
type Endpoint = NonNullable<NonNullable<Said>['endpoints']>[number];

let made = 0;

/** A slice that Kubernetes itself would take, as this side reads it. */
function slice(endpoints: readonly Endpoint[], more: Partial<NonNullable<Said>> = {}): Slice {
  const object = new EndpointSlice({
    metadata: { name: `slice-${(made += 1)}`, resourceVersion: String(made) },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8000, protocol: 'TCP' }],
    endpoints: [...endpoints],
    ...more,
  });
  object.validate();
  return readSlice(JSON.parse(JSON.stringify(object)))!;
}

function endpoint(address: string, conditions: Endpoint['conditions'] = { ready: true }, uid: string | null = address): Endpoint {
  return { addresses: [address], conditions, ...(uid === null ? {} : { targetRef: { kind: 'Pod', uid } }) };
}

/** `10.0.0.1:8000`, with `(ending)`. */
function shown(slices: readonly Slice[], port: string | number | null = null): string[] {
  return workersOf(slices, port).workers.map((worker) => `${worker.host}:${worker.port}${worker.isEnding ? ' (ending)' : ''}`);
}

describe('which endpoints are workers', () => {
  test.each([
    ['ready', { ready: true }, ['10.0.0.1:8000']],
    ['of which nothing is said', {}, ['10.0.0.1:8000']],
    ['without conditions', undefined, ['10.0.0.1:8000']],
    ['not ready', { ready: false }, []],
    ['terminating, and serving', { ready: false, serving: true, terminating: true }, ['10.0.0.1:8000 (ending)']],
    ['terminating, and not serving', { ready: false, serving: false, terminating: true }, ['10.0.0.1:8000 (ending)']],
    ['terminating, of a service that publishes what is not ready', { ready: true, terminating: true }, ['10.0.0.1:8000 (ending)']],
  ])('one that is %s', (_what, conditions, expected) => {
    expect(shown([slice([endpoint('10.0.0.1', conditions)])])).toEqual(expected);
  });

  test('one whose address was taken away is none', () => {
    const said = { metadata: { name: 's' }, addressType: 'IPv4', ports: [{ port: 8000 }], endpoints: [{ addresses: [] }, {}] };
    expect(shown([readSlice(said)!])).toEqual([]);
  });

  test('an address that is none, or of the other family, is left out and told', () => {
    const found = workersOf([slice([endpoint('vllm.example'), endpoint('fd00::1'), endpoint('10.0.0.1')])], null);
    expect(found.workers).toMatchObject([{ host: '10.0.0.1' }]);
    expect(found.leftOut).toEqual([expect.stringContaining('whose address is none of IPv4')]);
  });
});

describe('one pod is one worker', () => {
  test('in two slices, of two services or while it moves', () => {
    expect(shown([slice([endpoint('10.0.0.1')]), slice([endpoint('10.0.0.1')])])).toEqual(['10.0.0.1:8000']);
  });

  test('with addresses of both families: that of IPv4, whichever comes first', () => {
    const six = slice([endpoint('fd00::1', { ready: true }, 'u')], { addressType: 'IPv6' });
    const four = slice([endpoint('10.0.0.1', { ready: true }, 'u')]);
    expect(shown([six, four])).toEqual(['10.0.0.1:8000']);
    expect(shown([four, six])).toEqual(['10.0.0.1:8000']);
    expect(shown([six])).toEqual(['fd00::1:8000']);
  });

  test('where one slice says that it ends it ends, at the address that it had', () => {
    const six = slice([endpoint('fd00::1', { ready: false, terminating: true }, 'u')], { addressType: 'IPv6' });
    const four = slice([endpoint('10.0.0.1', { ready: true }, 'u')]);
    expect(shown([six, four])).toEqual(['10.0.0.1:8000 (ending)']);
    expect(shown([four, six])).toEqual(['10.0.0.1:8000 (ending)']);
  });

  test('where one slice says that it is ready, and an older one that it is not yet, it is', () => {
    expect(shown([slice([endpoint('10.0.0.1', { ready: false })]), slice([endpoint('10.0.0.1')])])).toEqual(['10.0.0.1:8000']);
  });

  test('an address that has gone over to another pod is the new one’s', () => {
    const old = slice([endpoint('10.0.0.1', { ready: false, terminating: true }, 'old')]);
    const young = slice([endpoint('10.0.0.1', { ready: true }, 'young')]);
    for (const slices of [
      [old, young],
      [young, old],
    ]) {
      expect(workersOf(slices, null).workers).toEqual([{ host: '10.0.0.1', port: 8000, uid: 'young', isEnding: false }]);
    }
  });

  test('one that is no pod goes by its address', () => {
    expect(workersOf([slice([endpoint('10.0.0.1', {}, null)]), slice([endpoint('10.0.0.1', {}, null)])], null).workers).toEqual([
      { host: '10.0.0.1', port: 8000, uid: null, isEnding: false },
    ]);
  });
});

describe('the port', () => {
  const two = {
    ports: [
      { name: 'http', port: 8000 },
      { name: 'metrics', port: 9000 },
    ],
  };

  test.each([
    ['by name', 'metrics', ['10.0.0.1:9000']],
    ['by number', 8000, ['10.0.0.1:8000']],
  ])('%s', (_what, port, expected) => {
    expect(shown([slice([endpoint('10.0.0.1')], two)], port)).toEqual(expected);
  });

  test.each([
    ['several, and none is meant', null, /has several ports, http \(8000\), metrics \(9000\): write as port/],
    ['a name that it does not have', 'grpc', /has no port grpc; it has http \(8000\), metrics \(9000\)/],
    ['a number that it does not have', 80, /has no port 80; it has/],
  ])('%s: nobody is taken, and it is told', (_what, port, message) => {
    const found = workersOf([slice([endpoint('10.0.0.1')], two)], port);
    expect(found.workers).toEqual([]);
    expect(found.leftOut).toEqual([expect.stringMatching(message)]);
  });

  test('of slices that name none it is the number that is set', () => {
    const bare = slice([endpoint('10.0.0.1')], { ports: [] });
    expect(shown([bare], 8000)).toEqual(['10.0.0.1:8000']);
    expect(workersOf([bare], null).leftOut).toEqual([expect.stringContaining('names no port: write its number as port')]);
  });

  test('UDP is none', () => {
    const mixed = slice([endpoint('10.0.0.1')], {
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'http', port: 8000 },
      ],
    });
    expect(shown([mixed])).toEqual(['10.0.0.1:8000']);
  });

  test('may differ from pod to pod where it goes by name', () => {
    const other = slice([endpoint('10.0.0.2')], { ports: [{ name: 'http', port: 9000 }] });
    expect(shown([slice([endpoint('10.0.0.1')]), other], 'http')).toEqual(['10.0.0.1:8000', '10.0.0.2:9000']);
  });
});

const NAMED = { metadata: { name: 's' }, addressType: 'IPv4' };
test.each([
  ...[null, 7, 'text', [], {}, { metadata: {} }, { metadata: { name: 's' } }],
  ...[
    { ...NAMED, endpoints: {} },
    { ...NAMED, endpoints: [null] },
    { ...NAMED, endpoints: [{ addresses: 7 }] },
    { ...NAMED, ports: [7] },
  ],
])('%j is no slice, and whoever says so is not believed', (said) => {
  expect(() => readSlice(said)).toThrow('not an EndpointSlice');
});

test('a slice of host names is of no pods', () => {
  expect(readSlice({ metadata: { name: 's' }, addressType: 'FQDN' })).toBeNull();
});

test('a slice of null, as Go writes what is empty, has nobody', () => {
  expect(readSlice({ metadata: { name: 's' }, addressType: 'IPv4', endpoints: null, ports: null })).toMatchObject({
    endpoints: [],
    ports: [],
  });
});
