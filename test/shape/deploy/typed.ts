import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** Where the types of a kind are: made of Kubernetes' OpenAPI and of the operators' own definitions. */
const TYPES: Record<string, string> = {
  'v1/ConfigMap': 'kubernetes-models/v1',
  'v1/Service': 'kubernetes-models/v1',
  'v1/ServiceAccount': 'kubernetes-models/v1',
  'v1/Secret': 'kubernetes-models/v1',
  'apps/v1/Deployment': 'kubernetes-models/apps/v1',
  'apps/v1/StatefulSet': 'kubernetes-models/apps/v1',
  'policy/v1/PodDisruptionBudget': 'kubernetes-models/policy/v1',
  'autoscaling/v2/HorizontalPodAutoscaler': 'kubernetes-models/autoscaling/v2',
  'networking.k8s.io/v1/NetworkPolicy': 'kubernetes-models/networking.k8s.io/v1',
  'rbac.authorization.k8s.io/v1/Role': 'kubernetes-models/rbac.authorization.k8s.io/v1',
  'rbac.authorization.k8s.io/v1/RoleBinding': 'kubernetes-models/rbac.authorization.k8s.io/v1',
  'monitoring.coreos.com/v1/ServiceMonitor': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  'monitoring.coreos.com/v1/PodMonitor': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  'monitoring.coreos.com/v1/PrometheusRule': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  'keda.sh/v1alpha1/ScaledObject': '@kubernetes-models/keda/keda.sh/v1alpha1',
};

/**
 * What is wrong with each list of manifests, by its name: keys that there are not, values of another type, what is missing. tsc says it,
 * all of them in one run, for an object literal may hold no key that its type does not know.
 */
export function mistyped(lists: Record<string, readonly unknown[]>): Record<string, string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-manifests-'));
  try {
    symlinkSync(MODULES, join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const found: Record<string, string[]> = {};
    for (const [name, manifests] of Object.entries(lists)) {
      found[name] = manifests
        .filter((each) => !(identity(each) in TYPES))
        .map((each) => `${identity(each)}: no such kind is known here; add it to typed.ts`);
      const known = manifests.filter((each) => identity(each) in TYPES);
      const lines = known.map((each, at) => {
        const { kind } = each as { kind: string };
        return `export const of${at}: import('${TYPES[identity(each)]}').I${kind} = ${JSON.stringify(each, null, 1)};`;
      });
      writeFileSync(join(folder, `${name}.ts`), lines.join('\n'));
    }
    const flags = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--pretty',
      'false',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--types',
      '',
    ];
    const files = Object.keys(lists).map((name) => `${name}.ts`);
    const tsc = join(MODULES, 'typescript/bin/tsc');
    const { stdout, stderr, error } = spawnSync(process.execPath, [tsc, ...flags, ...files], { cwd: folder, encoding: 'utf8' });
    if (error) throw error;
    for (const line of (stdout + stderr).split('\n').filter(Boolean)) {
      const [, name, message] = /^(.+?)\.ts\(\d+,\d+\): error \w+: (.*)$/.exec(line) ?? [];
      if (name !== undefined && found[name]) found[name].push(message!);
      else if (!line.startsWith(' ')) throw new Error(line);
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function identity(manifest: unknown): string {
  const { apiVersion, kind } = manifest as { apiVersion?: string; kind?: string };
  return `${apiVersion}/${kind}`;
}
