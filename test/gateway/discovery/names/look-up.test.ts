import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lookUp, type LookedUp, type NamedWorkers } from '../../../../gateway/discovery/names/look-up.ts';
import { withResolver } from '../../../../gateway/discovery/names/resolve.ts';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { type DnsServer, startDnsServer } from '../../../support/dns-server.ts';

let server: DnsServer;

beforeEach(async () => {
  server = await startDnsServer();
});

afterEach(() => server[Symbol.asyncDispose]());

function look(of: NamedWorkers): Promise<LookedUp> {
  return withResolver([server.address], systemClock, (names) => lookUp(of, names));
}

const VLLM = { name: 'vllm.test', port: 8000 };

function found(...places: readonly [string, number][]): LookedUp {
  return { kind: 'found', workers: places.map(([host, port]) => ({ host, port, uid: null, isEnding: false })) };
}

describe('a name with a port', () => {
  test('is its addresses of IPv4', async () => {
    server.answers['A vllm.test'] = ['10.0.0.1', '10.0.0.2'];
    server.answers['AAAA vllm.test'] = ['fd00::1', 'fd00::2'];
    const looked = await look(VLLM);
    expect({ ...looked, workers: (looked as { workers?: readonly unknown[] }).workers?.length }).toEqual({ kind: 'found', workers: 2 });
    expect(JSON.stringify(looked)).not.toContain('fd00');
  });

  test('or those of IPv6, where it has no others', async () => {
    server.answers['AAAA vllm.test'] = ['fd00::1'];
    expect(await look(VLLM)).toEqual(found(['fd00::1', 8000]));
  });

  test('that has no address, or is not there, is missing', async () => {
    server.answers['SRV vllm.test'] = [];
    expect(await look(VLLM)).toEqual({ kind: 'missing', workers: [], name: 'vllm.test' });
    expect(await look({ name: 'nobody.test', port: 1 })).toMatchObject({ kind: 'missing', name: 'nobody.test' });
  });

  test('is not taken for one of IPv6 alone while a resolver fails', async () => {
    server.answers['A vllm.test'] = 'servfail';
    server.answers['AAAA vllm.test'] = ['fd00::1'];
    expect(await look(VLLM)).toEqual({ kind: 'failed', reason: 'ESERVFAIL' });
  });
});

describe('a service record', () => {
  const SERVICE = { name: '_http._tcp.vllm.test', port: null };

  test('names who serves, and at which ports; of those that stand in for others nobody is taken', async () => {
    server.answers['SRV _http._tcp.vllm.test'] = ['10 8000 one.vllm.test', '10 8001 two.vllm.test', '20 8002 spare.vllm.test'];
    server.answers['A one.vllm.test'] = ['10.0.0.1'];
    server.answers['A two.vllm.test'] = ['10.0.0.2'];
    server.answers['A spare.vllm.test'] = ['10.0.0.3'];
    expect(await look(SERVICE)).toEqual(found(['10.0.0.1', 8000], ['10.0.0.2', 8001]));
  });

  test('one of whom has no address any more: the others, and that somebody is missing', async () => {
    server.answers['SRV _http._tcp.vllm.test'] = ['10 8000 one.vllm.test', '10 8001 two.vllm.test'];
    server.answers['A two.vllm.test'] = ['10.0.0.2'];
    expect(await look(SERVICE)).toEqual({ ...found(['10.0.0.2', 8001]), kind: 'missing', name: 'one.vllm.test' });
  });

  test('that is not there is missing', async () => {
    expect(await look(SERVICE)).toEqual({ kind: 'missing', workers: [], name: SERVICE.name });
  });
});

test('a resolver that says nothing has failed within a limit', async () => {
  server.answers['A vllm.test'] = 'silent';
  expect(await look(VLLM)).toMatchObject({ kind: 'failed' });
}, 20_000);
