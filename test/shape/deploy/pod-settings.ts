import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { environmentOf, startedWith } from './containers.ts';
import type { Manifest } from './kustomize.ts';

/** The settings that the container of a pod starts with, or why it would not. */
export function settingsOf(owner: Manifest, manifests: readonly Manifest[]): Settings | string {
  const { containers, volumes } = owner.spec.template.spec;
  const [container] = containers;
  const named = volumes.find(({ name }: any) => name === 'settings').configMap.name;
  const file = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === named)?.data?.['headgate.yaml'];
  if (file === undefined) return `there is no ConfigMap ${named} with headgate.yaml`;
  const env = { ...environmentOf(container.env), HEADGATE_CONFIG: '/etc/headgate/headgate.yaml' };
  const { settings, problems } = startedWith(container.args, env, file);
  return problems.length > 0 ? problems.join('; ') : settings!;
}
