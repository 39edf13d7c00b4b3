import type { Settings } from './schema/settings.ts';
import type { ReadFile } from './layers/settings-file.ts';
import type { Environment } from './layers/variables.ts';

/** Where the API server of Kubernetes is, and as whom it is asked. */
interface KubernetesPlace {
  readonly url: string;
  readonly tokenFile: string | null;
  readonly caFile: string | null;
  readonly namespace: string;
}

/** What Kubernetes puts into every pod that has a service account. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The name that every cluster has for it. */
const USUAL_URL = 'https://kubernetes.default.svc';

/**
 * The API server of the settings, else the one of the cluster that this process runs in, as its environment names it. Token and
 * certificates of the cluster are never sent to a server that the settings name.
 */
export function kubernetesPlace({ discovery }: Pick<Settings, 'discovery'>, env: Environment, readFile: ReadFile): KubernetesPlace {
  const { api, token_file: tokenFile, ca_file: caFile } = discovery.kubernetes;
  const inside = api === null;
  return {
    url: (api ?? clusterUrl(env) ?? USUAL_URL).replace(/\/+$/, ''),
    tokenFile: tokenFile ?? (inside ? `${ACCOUNT}/token` : null),
    caFile: caFile ?? (inside ? `${ACCOUNT}/ca.crt` : null),
    namespace: (inside ? ownNamespace(readFile) : null) ?? 'default',
  };
}

/** Whether an API server is known at all: the settings name one, or this process runs in a cluster. */
export function knowsKubernetes({ discovery }: Pick<Settings, 'discovery'>, env: Environment): boolean {
  return discovery.kubernetes.api !== null || clusterUrl(env) !== null;
}

function clusterUrl({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port }: Environment): string | null {
  if (host === undefined || host === '' || !/^\d{1,5}$/.test(port ?? '')) return null;
  const url = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return URL.canParse(url) ? url : null;
}

function ownNamespace(readFile: ReadFile): string | null {
  try {
    const text = Buffer.from(readFile(`${ACCOUNT}/namespace`, 256) ?? '')
      .toString('utf8')
      .trim();
    return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text) ? text : null;
  } catch {
    return null;
  }
}
