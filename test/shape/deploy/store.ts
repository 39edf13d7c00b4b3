import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { mebibytes } from './containers.ts';
import type { Manifest } from './kustomize.ts';

// What several gateways count together in.

export function isStore({ kind, spec }: Manifest): boolean {
  return kind === 'Deployment' && /(^|\/)valkey:/.test(spec.template.spec.containers[0].image);
}

/** Whether there is one of it, which keeps what it is given, and which gateways alone can reach. */
export function* ofStore(here: string, owner: Manifest, manifests: readonly Manifest[]): Generator<string> {
  const { replicas, strategy, template } = owner.spec;
  const [container] = template.spec.containers;
  const value = (flag: string): string | undefined => container.args[container.args.indexOf(`--${flag}`) + 1];
  if (replicas !== 1 || strategy?.type !== 'Recreate') yield `${here}: there may be two, each with a part of the gateways`;
  if (value('maxmemory-policy') !== 'noeviction') yield `${here}: forgets what it was given`;
  const most = /^(\d+)mb$/.exec(value('maxmemory') ?? '')?.[1];
  if (!(Number(most) <= 0.75 * mebibytes(container.resources.limits.memory))) yield `${here}: may outgrow its limit of memory`;
  const [port] = container.ports;
  if (String(port.containerPort) !== value('port')) yield `${here}: port ${port.name} is ${port.containerPort}, --port is ${value('port')}`;
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) if (!container[name]) yield `${here}: there is no ${name}`;
  const { labels } = template.metadata;
  const policies = manifests.filter(({ kind, spec }) => kind === 'NetworkPolicy' && isAmong(spec.podSelector.matchLabels, labels));
  const peers = policies.flatMap(({ spec }) => spec.ingress.flatMap(({ from }: any) => from ?? [{}]));
  const isGateway = ({ podSelector, namespaceSelector }: any): boolean =>
    namespaceSelector === undefined && podSelector?.matchLabels['app.kubernetes.io/component'] === 'gateway';
  if (policies.length === 0 || !peers.every(isGateway)) yield `${here}: others than gateways reach it, and it asks for no password`;
}

/** Whether a gateway beside a store goes to it. */
export function* ofStateUrl(here: string, { state }: Settings, manifests: readonly Manifest[]): Generator<string> {
  const store = manifests.find(isStore);
  if (!store) return;
  const { labels } = store.spec.template.metadata;
  const services = manifests.filter(({ kind, spec }) => kind === 'Service' && isAmong(spec.selector, labels));
  const urls = services.flatMap(({ metadata, spec }) => spec.ports.map(({ port }: any) => `redis://${metadata.name}:${port}`));
  if (!urls.includes(state.url)) yield `${here}: state.url is ${state.url}, and ${store.metadata.name} is at ${urls.join(', ')}`;
}

function isAmong(wanted: Record<string, string>, labels: Record<string, string>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
