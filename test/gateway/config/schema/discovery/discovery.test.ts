import { describe, expect, test } from 'vitest';
import { settingsSchema } from '../../../../../gateway/config/schema/settings.ts';
import { problemsOf } from '../../loading.ts';

describe('an entry of workers', () => {
  test.each([
    ['{}', 'workers[0]: expected one of url, kubernetes and dns here'],
    ['{ url: "http://a:1", dns: "a:1" }', 'workers[0]: expected one of url, kubernetes and dns here'],
    ['{ kubernetes: {} }', 'workers[0].kubernetes: expected one of service and selector here'],
    ['{ kubernetes: { service: a, selector: b=c } }', 'workers[0].kubernetes: expected one of service and selector here'],
    ['{ kubernetes: { servce: a } }', 'workers[0].kubernetes.servce: unknown key; did you mean service?'],
    ['{ kubernetes: { service: A_b } }', 'expected a name of small letters, digits and dashes'],
    ['{ kubernetes: { service: a, port: 0 } }', 'workers[0].kubernetes.port: '],
    ['{ kubernetes: { service: a, port: "12" } }', 'workers[0].kubernetes.port: expected the name of a port'],
    ['{ kubernetes: { selector: "a;b" } }', 'expected a label selector, such as app=vllm,tier!=test'],
    ['{ dns: vllm.example }', 'workers[0].dns: expected NAME:PORT, such as vllm.example.com:8000'],
    ['{ dns: "10.0.0.1:8000" }', 'workers[0].dns: an address needs no DNS: write it as url'],
    ['{ dns: "fd00::1" }', 'workers[0].dns: an address needs no DNS: write it as url'],
    ['{ dns: "vllm.example:70000" }', 'workers[0].dns: a port is at most 65535'],
    ['{ dns: "_http._tcp.vllm:80" }', 'workers[0].dns: a service record names the ports itself: leave the port out'],
    ['{ dns: "_http.vllm" }', 'workers[0].dns: expected _SERVICE._tcp.NAME'],
    ['{ dns: "http://vllm:80" }', 'workers[0].dns: '],
  ])('%s', (entry, expected) => {
    const problems = problemsOf({ file: `workers: [${entry}]` });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  test.each([
    { kubernetes: { service: 'vllm' } },
    { kubernetes: { namespace: 'models', selector: 'app in (a, b),tier!=test', port: 'http', scheme: 'https' } },
    { kubernetes: { service: 'vllm', port: 8000 }, api_key: 'k', group: 'canary' },
    { dns: 'vllm:8000' },
    { dns: '_http._tcp.vllm.models.svc.cluster.local' },
  ])('%j', (entry) => {
    expect(settingsSchema.parse({ workers: [entry] }).workers[0]).toMatchObject({ url: null, ...entry });
  });
});

test.each([
  ['kubernetes: { api: "ftp://a" }', 'discovery.kubernetes.api: expected a URL'],
  ['kubernetes: { idle_ms: 10 }', 'discovery.kubernetes.idle_ms: '],
  ['dns: { servers: [dns.example] }', 'discovery.dns.servers[0]: expected the address of a DNS server'],
  ['dns: { servers: ["10.0.0.1:99999"] }', 'discovery.dns.servers[0]: expected the address of a DNS server'],
])('discovery: { %s }', (text, expected) => {
  expect(problemsOf({ file: `discovery: { ${text} }` })).toEqual([expect.stringContaining(expected)]);
});

test.each(['10.0.0.1', '127.0.0.1:5353', '[fd00::10]:53', 'fd00::10'])('a DNS server may be %s', (server) => {
  expect(problemsOf({ file: `discovery: { dns: { servers: ["${server}"] } }` })).toEqual([]);
});
