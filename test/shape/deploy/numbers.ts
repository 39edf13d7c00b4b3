import { defaultSettings } from '../../../gateway/config/schema/settings.ts';
import { METRICS, type MetricRow } from '../../../gateway/telemetry/metrics/table.ts';
import type { Manifest } from './kustomize.ts';
import { settingsOf } from './pod-settings.ts';

// How many pods there are: what makes them more or fewer, and what keeps them from being evicted.

/** Labels that a Prometheus in a cluster puts on every series. */
const OF_THE_TARGET = ['namespace', 'pod', 'service', 'container', 'endpoint', 'job', 'instance'];

export function* ofDisruptions(manifests: readonly Manifest[], pods: readonly Manifest[]): Generator<string> {
  for (const { kind, metadata, spec } of manifests) {
    if (kind !== 'PodDisruptionBudget') continue;
    const labels = Object.entries<string>(spec.selector.matchLabels);
    const owner = pods.find((pod) => labels.every(([key, value]) => pod.spec.template.metadata.labels[key] === value));
    // One that chooses nobody is told of where selectors are looked at.
    if (!owner) continue;
    const replicas = fewestOf(owner, manifests);
    const { minAvailable, maxUnavailable } = spec;
    const isBlocked =
      maxUnavailable === undefined ? share(minAvailable ?? replicas, replicas) >= replicas : share(maxUnavailable, replicas) === 0;
    if (isBlocked) yield `${kind}/${metadata.name}: lets none of ${replicas} pods be evicted, so that no node can be drained`;
  }
}

/** Pods that there are at least. */
function fewestOf(owner: Manifest, manifests: readonly Manifest[]): number {
  const scaler = manifests.find(
    ({ kind, spec }) =>
      (kind === 'HorizontalPodAutoscaler' || kind === 'ScaledObject') &&
      spec.scaleTargetRef.kind === owner.kind &&
      spec.scaleTargetRef.name === owner.metadata.name,
  );
  return scaler?.spec.minReplicas ?? scaler?.spec.minReplicaCount ?? owner.spec.replicas ?? 1;
}

/** A number of pods, or so many percent of them, which Kubernetes rounds up. */
function share(amount: number | string, of: number): number {
  return typeof amount === 'number' ? amount : Math.ceil((Number.parseFloat(amount) / 100) * of);
}

export function* ofScaling(manifests: readonly Manifest[], pods: readonly Manifest[]): Generator<string> {
  for (const { kind, metadata, spec } of manifests) {
    if (kind !== 'HorizontalPodAutoscaler' && kind !== 'ScaledObject') continue;
    const here = `${kind}/${metadata.name}`;
    const target = spec.scaleTargetRef;
    const meant = pods.find((pod) => pod.kind === target.kind && pod.metadata.name === target.name);
    if (!meant) yield `${here}: there is no ${target.kind}/${target.name}`;
    const [fewest, most] = kind === 'ScaledObject' ? [spec.minReplicaCount, spec.maxReplicaCount] : [spec.minReplicas, spec.maxReplicas];
    if (!(fewest >= 1 && fewest <= most)) yield `${here}: from ${fewest} to ${most} pods is no range`;
    if (meant?.spec.replicas !== undefined && kind === 'HorizontalPodAutoscaler') yield `${here}: each apply sets replicas back`;
    if (kind === 'HorizontalPodAutoscaler') yield* ofMetrics(here, spec.metrics, meant?.spec.template.spec.containers[0]);
    else yield* ofTriggers(here, spec, meant, manifests, pods);
  }
}

/** What a HorizontalPodAutoscaler goes by. `container`: of the pods that it scales */
function* ofMetrics(here: string, metrics: readonly any[], container: any): Generator<string> {
  for (const { type, resource, pods, object, external } of metrics) {
    if (type !== 'Resource') {
      yield* unknownNames(here, (pods ?? object ?? external).metric.name);
      continue;
    }
    if (resource.name !== 'cpu' && resource.name !== 'memory') yield `${here}: goes by ${resource.name}, which nobody measures`;
    else if (resource.target.type === 'Utilization' && container && !container.resources?.requests?.[resource.name])
      yield `${here}: goes by a share of ${resource.name}, of which its pods request none`;
  }
}

/** What KEDA goes by, and whether the gateway knows every pod that may come of it. */
function* ofTriggers(
  here: string,
  { triggers, scaleTargetRef, maxReplicaCount }: any,
  meant: Manifest | undefined,
  manifests: readonly Manifest[],
  pods: readonly Manifest[],
): Generator<string> {
  for (const { metadata } of triggers) yield* unknownNames(here, metadata.query);
  const gateway = pods.find((pod) => pod.kind === 'Deployment' && /(^|\/)headgate/.test(pod.spec.template.spec.containers[0].image));
  const settings = gateway && settingsOf(gateway, manifests);
  const workers = typeof settings === 'object' ? settings.workers : defaultSettings().workers;
  if (meant?.kind === 'Deployment') {
    const labels: Record<string, string> = meant.spec.template.metadata.labels;
    const services = manifests.filter(
      ({ kind, spec }) => kind === 'Service' && Object.entries(spec.selector).every(([key, value]) => labels[key] === value),
    );
    const isFound = services.some(({ metadata }) => workers.some(({ kubernetes }) => kubernetes?.service === metadata.name));
    if (!isFound) yield `${here}: the gateway does not look for the pods of ${meant.metadata.name}`;
    return;
  }
  const port = meant?.spec.template.spec.containers[0].ports?.[0].containerPort;
  const name = (at: number): string => `http://${scaleTargetRef.name}-${at}.${meant?.spec.serviceName}:${port}`;
  const wanted = Array.from({ length: maxReplicaCount }, (_, at) => name(at));
  const missing = wanted.filter((url) => !workers.some((worker) => worker.url === url));
  if (missing.length > 0) yield `${here}: the gateway does not know ${missing.join(', ')}`;
}

/** A name of a metric, or a query with some: each has to be one of ours, with labels that it has. */
function* unknownNames(here: string, query: string): Generator<string> {
  const asked = [...query.matchAll(/headgate_(\w+)(?:\{([^}]*)\})?/g)];
  if (asked.length === 0) yield `${here}: asks for no metric of Headgate: ${query}`;
  for (const [, name, selector = ''] of asked) {
    const row = (METRICS as Record<string, MetricRow>)[name!];
    if (!row) yield `${here}: there is no metric headgate_${name}`;
    for (const [, label] of selector.matchAll(/(\w+)\s*[=!]/g))
      if (row && ![...row.labels, ...OF_THE_TARGET].includes(label!)) yield `${here}: headgate_${name} has no label ${label}`;
  }
}
