import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { numberOf } from './containers.ts';
import type { Manifest } from './kustomize.ts';

/** Whether the gateway sends each worker as many calls as the engine behind it runs at once; one that stands elsewhere is not known. */
export function* ofPlaces(here: string, { workers }: Settings, manifests: readonly Manifest[]): Generator<string> {
  for (const { url, kubernetes, max_num_seqs } of workers) {
    const names = url === null ? [kubernetes?.service] : namesIn(url);
    const services = manifests.filter(({ kind, metadata }) => kind === 'Service' && names.includes(metadata.name));
    for (const { kind, metadata, spec } of services.flatMap((service) => podsOf(service, manifests))) {
      const runs = numberOf(spec.template.spec.containers[0].args, 'max-num-seqs');
      if (runs !== max_num_seqs)
        yield `${here}: sends ${url ?? kubernetes!.service} ${max_num_seqs} calls at once, ${kind}/${metadata.name} has --max-num-seqs=${runs}`;
    }
  }
}

/** What a Service may be called that an address leads to: SERVICE or POD.SERVICE, with or without a namespace behind it. */
function namesIn(url: string): string[] {
  return new URL(url).hostname.split('.').slice(0, 2);
}

function podsOf({ spec: { selector } }: Manifest, manifests: readonly Manifest[]): Manifest[] {
  const wanted = Object.entries<string>(selector);
  return manifests.filter(
    ({ kind, spec }) =>
      (kind === 'Deployment' || kind === 'StatefulSet') &&
      wanted.every(([key, value]) => spec.template.metadata.labels[key] === value) &&
      !/(^|\/)headgate/.test(spec.template.spec.containers[0].image),
  );
}
