import { isIP } from 'node:net';
import { z } from 'zod';
import { hostProblem, serverUrlProblem } from '../values/addresses.ts';
import { checked, count, ms, path } from '../values/kinds.ts';

// Workers that are found: where, and who is asked.

const name = () => z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a name of small letters, digits and dashes');

/** Workers behind a service of Kubernetes. */
export const kubernetesWorkers = () =>
  z.strictObject({
    namespace: name().nullable().default(null).describe('Where the service is; null: in the namespace of the gateway.'),
    service: name().nullable().default(null).describe('Name of the service whose pods are workers; or else selector.'),
    selector: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._/=!,() -]{0,511}$/, 'expected a label selector, such as app=vllm,tier!=test')
      .nullable()
      .default(null)
      .describe('Label selector of EndpointSlices, which have the labels of their services: for several services at once.'),
    port: z
      .union([count(1, 65_535), z.string().regex(/^(?=.*[a-z])[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?$/, 'expected the name of a port')])
      .nullable()
      .default(null)
      .describe('Port of the pods, by the name that the service has for it or by its number; null: the only one.'),
    scheme: z.enum(['http', 'https']).default('http').describe('What the workers speak.'),
  });

/** What is wrong with what `dns:` names, or null. */
export function dnsProblem(text: string): string | null {
  const [host = '', port, ...more] = text.split(':');
  if (isIP(text) !== 0 || isIP(host) !== 0) return 'an address needs no DNS: write it as url';
  const isService = host.startsWith('_');
  if (more.length > 0 || (port === undefined && !isService) || (port !== undefined && !/^[1-9]\d{0,4}$/.test(port))) {
    return 'expected NAME:PORT, such as vllm.example.com:8000, or the name of a service record, such as _http._tcp.vllm.example.com';
  }
  if (port !== undefined && Number(port) > 65_535) return 'a port is at most 65535';
  if (isService && port !== undefined) return 'a service record names the ports itself: leave the port out';
  if (isService)
    return /^_[a-z0-9-]{1,62}\._(?:tcp|udp)\.(?=.)/i.test(host)
      ? hostProblem(host.replace(/^_[^.]*\._[^.]*\./, ''))
      : 'expected _SERVICE._tcp.NAME';
  return hostProblem(host);
}

/** An address, perhaps with a port. */
function dnsServerProblem(text: string): string | null {
  const { six, four, port } = /^(?:\[(?<six>[^\]]+)\]|(?<four>[^:]+))(?::(?<port>[1-9]\d{0,4}))?$/.exec(text)?.groups ?? {};
  const isServer = isIP(text) !== 0 || isIP(six ?? '') === 6 || isIP(four ?? '') === 4;
  if (isServer && Number(port ?? 1) <= 65_535) return null;
  return 'expected the address of a DNS server, such as 10.96.0.10, 127.0.0.1:5353 or [fd00::10]:53';
}

export const discovery = z.strictObject({
  kubernetes: z
    .strictObject({
      api: checked((text) => serverUrlProblem(text, 'any'))
        .nullable()
        .default(null)
        .describe('API server, such as https://10.0.0.1:6443. null: that of the cluster that the gateway runs in.'),
      token_file: path()
        .nullable()
        .default(null)
        .describe('File with the token for it, read again as it changes. null: that of the service account, in a cluster; else none.'),
      ca_file: path()
        .nullable()
        .default(null)
        .describe('Certificates (PEM) of the authority that signed its own. null: those of the service account, in a cluster.'),
      idle_ms: ms(1_000)
        .default(120_000)
        .describe('How long it may be silent before its connection counts as dead; it speaks every minute.'),
    })
    .prefault({})
    .describe('Whom workers[].kubernetes is asked from.'),
  dns: z
    .strictObject({
      servers: z
        .array(checked(dnsServerProblem))
        .max(16)
        .default([])
        .describe('DNS servers to ask, as addresses. Empty: those of the machine.'),
      interval_ms: ms(100).default(5_000).describe('How often workers[].dns is looked up.'),
    })
    .prefault({})
    .describe('How workers[].dns is looked up.'),
});
