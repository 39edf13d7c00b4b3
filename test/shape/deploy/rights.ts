import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../../../gateway/config/schema/settings.ts';
import type { Manifest } from './kustomize.ts';

/** All that a gateway has to be allowed in a cluster. */
const NEEDED = { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] };

/** Whether a pod may see what its settings have it look for, and nothing else, and whether that is there. */
export function* ofDiscovery(here: string, spec: any, { workers }: Settings, manifests: readonly Manifest[]): Generator<string> {
  const wanted = workers.flatMap(({ kubernetes }) => kubernetes ?? []);
  const hasToken = spec.automountServiceAccountToken !== false;
  if (hasToken && wanted.length === 0) yield `${here}: has a token for the cluster that it does not need`;
  if (!hasToken && wanted.length > 0) yield `${here}: looks for workers in the cluster without a token for it`;
  const rights = rightsOf(spec.serviceAccountName, manifests);
  for (const rule of rights)
    if (!isDeepStrictEqual(rule, NEEDED)) yield `${here}: has rights that it does not need: ${JSON.stringify(rule)}`;
  if (wanted.length > 0 && rights.length === 0) yield `${here}: looks for workers in the cluster without the right to`;
  if (wanted.length === 0 && rights.length > 0) yield `${here}: has rights in the cluster and looks for nobody`;
  for (const { service, port } of wanted) {
    const found = manifests.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service);
    if (!found) yield `${here}: looks for workers of Service ${service}, which there is not`;
    else if (!found.spec.ports.some(({ name }: any) => name === port)) yield `${here}: Service ${service} has no port ${port}`;
  }
}

/** What the roles that are bound to an account let it do. */
function rightsOf(account: string | undefined, manifests: readonly any[]): unknown[] {
  const bindings = manifests.filter(
    ({ kind, subjects }) => kind.endsWith('RoleBinding') && subjects.some(({ name }: any) => name === account),
  );
  return bindings.flatMap(({ roleRef }) => {
    const role = manifests.find(({ kind, metadata }) => kind === roleRef.kind && metadata.name === roleRef.name);
    return role?.rules ?? [`${roleRef.kind}/${roleRef.name}, which there is not`];
  });
}
