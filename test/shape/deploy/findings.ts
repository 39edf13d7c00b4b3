import { mebibytes, numberOf } from './containers.ts';
import type { Manifest } from './kustomize.ts';
import { ofDisruptions, ofScaling } from './numbers.ts';
import { ofPlaces } from './places.ts';
import { settingsOf } from './pod-settings.ts';
import { ofDiscovery } from './rights.ts';
import { isStore, ofStateUrl, ofStore } from './store.ts';

// What the types of Kubernetes cannot know: whether the parts of a deployment agree with each other, and with Headgate.

const PROBE_NAMES = ['livenessProbe', 'readinessProbe', 'startupProbe'];
const PROBES = ['/livez', '/readyz', '/startupz'];
/** What `headgate serve` gives its engines to end, beyond the grace of calls; the engines of vLLM themselves have a flag for it. */
const ENGINES_END_S = 60;
/** A start that runs out of memory is tried again with less. */
const STARTS = 3;

type Labels = Record<string, string>;

/** @returns what is wrong, a line each */
export function findings(manifests: readonly Manifest[]): string[] {
  const pods = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
  return [
    ...pods.flatMap((pod) => [...ofPod(pod, manifests)]),
    ...ofSelectors(manifests, pods),
    ...ofDisruptions(manifests, pods),
    ...ofScaling(manifests, pods),
  ];
}

function* ofPod(owner: Manifest, manifests: readonly Manifest[]): Generator<string> {
  const { spec } = owner.spec.template;
  const [container, ...more] = spec.containers;
  const here = `${owner.kind}/${owner.metadata.name}`;
  if (more.length > 0) yield `${here}: only one container is looked at`;
  if (!/:(v?\d+\.\d+\.\d+|\d+\.\d+-alpine)$/.test(container.image)) yield `${here}: ${container.image} is not pinned`;
  const ports: Record<string, number> = Object.fromEntries((container.ports ?? []).map((each: any) => [each.name, each.containerPort]));
  yield* ofSecurity(here, spec, container);
  yield* ofVolumes(here, owner, manifests);

  const isHeadgate = /(^|\/)headgate/.test(container.image);
  if (!isHeadgate && spec.automountServiceAccountToken !== false) yield `${here}: has a token for the cluster that it does not need`;
  if (isStore(owner)) return yield* ofStore(here, owner, manifests);
  const preStop = container.lifecycle?.preStop?.sleep?.seconds;
  if (preStop === undefined) yield `${here}: is told to end while calls still come, for there is no preStop`;
  const grace = spec.terminationGracePeriodSeconds;
  if (!isHeadgate) return yield* ofEngine(here, container, ports, grace, preStop ?? 0);
  const settings = settingsOf(owner, manifests);
  if (typeof settings === 'string') return yield `${here}: ${settings}`;
  yield* ofDiscovery(here, spec, settings, manifests);
  yield* ofPlaces(here, settings, manifests);
  yield* ofStateUrl(here, settings, manifests);
  const { server, shutdown, supervisor } = settings;
  const engines = container.args[0] === 'serve';
  const needs = (preStop ?? 0) + (shutdown.settle_ms + shutdown.grace_ms) / 1_000 + (engines ? ENGINES_END_S : 0);
  if (!(grace > needs)) yield `${here}: ends after ${grace} s, preStop and the drain take ${needs} s`;
  if (ports['http'] !== server.port) yield `${here}: port http is ${ports['http']}, server.port is ${server.port}`;
  if (ports['probes'] !== server.probe_port) yield `${here}: port probes is ${ports['probes']}, server.probe_port is ${server.probe_port}`;
  for (const [at, name] of PROBE_NAMES.entries()) yield* ofProbe(here, name, container[name], PROBES[at]!, 'probes');
  const { periodSeconds = 0, failureThreshold = 0 } = container.startupProbe ?? {};
  const start = (supervisor.start_timeout_ms / 1_000) * (engines ? STARTS : 1);
  if (periodSeconds * failureThreshold < start) yield `${here}: is given up while a model may still load (${start} s)`;
}

/** Of a container with vLLM itself. */
function* ofEngine(here: string, container: any, ports: Record<string, number>, grace: number, preStop: number): Generator<string> {
  const flag = (name: string): number => numberOf(container.args, name);
  const needs = preStop + flag('shutdown-timeout');
  if (!(grace > needs)) yield `${here}: ends after ${grace} s, preStop and --shutdown-timeout take ${needs} s`;
  if (ports['http'] !== flag('port')) yield `${here}: port http is ${ports['http']}, --port is ${flag('port')}`;
  for (const name of PROBE_NAMES) yield* ofProbe(here, name, container[name], '/health', 'http');
}

function* ofProbe(here: string, name: string, probe: any, path: string, port: string): Generator<string> {
  if (!probe) return yield `${here}: there is no ${name}`;
  if (probe.httpGet?.path !== path) yield `${here}: ${name} asks for ${probe.httpGet?.path}, not ${path}`;
  if (probe.httpGet?.port !== port) yield `${here}: ${name} asks at ${probe.httpGet?.port}, not at ${port}`;
}

function* ofSecurity(here: string, spec: any, container: any): Generator<string> {
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext ?? {};
  if (spec.securityContext?.runAsNonRoot !== true || spec.securityContext.seccompProfile?.type !== 'RuntimeDefault')
    yield `${here}: may run as root, or without seccomp`;
  if (allowPrivilegeEscalation !== false || readOnlyRootFilesystem !== true || capabilities?.drop?.[0] !== 'ALL')
    yield `${here}: has more rights than it needs`;
  if (spec.enableServiceLinks !== false) yield `${here}: services put variables into its environment`;
  const { requests, limits } = container.resources ?? {};
  if (!requests?.cpu || !requests.memory || !limits?.memory) yield `${here}: says not what it needs`;
  const heap = /--max-old-space-size=(\d+)/.exec(JSON.stringify(container.env))?.[1];
  if (heap !== undefined && Number(heap) > 0.75 * mebibytes(limits.memory)) yield `${here}: its heap may outgrow its limit of memory`;
}

function* ofVolumes(here: string, owner: Manifest, manifests: readonly Manifest[]): Generator<string> {
  const { spec } = owner.spec.template;
  const claims = (owner.spec.volumeClaimTemplates ?? []).map(({ metadata }: any) => metadata.name);
  const there = [...(spec.volumes ?? []).map(({ name }: any) => name), ...claims];
  const used: string[] = spec.containers[0].volumeMounts.map(({ name }: any) => name);
  for (const name of used) if (!there.includes(name)) yield `${here}: mounts ${name}, which there is not`;
  for (const name of there) if (!used.includes(name)) yield `${here}: ${name} is mounted nowhere`;
  const account = spec.serviceAccountName;
  if (account !== undefined && !manifests.some(({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === account))
    yield `${here}: there is no ServiceAccount ${account}`;
}

function* ofSelectors(manifests: readonly Manifest[], pods: readonly Manifest[]): Generator<string> {
  const chosen = (labels: Labels | undefined): Manifest[] =>
    pods.filter(({ spec }) => Object.entries(labels ?? {}).every(([key, value]) => spec.template.metadata.labels[key] === value));
  const portsOf = (pod: Manifest): string[] => pod.spec.template.spec.containers[0].ports.map(({ name }: any) => name);
  for (const { kind, metadata, spec } of manifests) {
    const here = `${kind}/${metadata.name}`;
    const labels: Labels | undefined =
      kind === 'Service' ? spec.selector : kind === 'NetworkPolicy' ? spec.podSelector.matchLabels : spec?.selector?.matchLabels;
    if (kind === 'ServiceMonitor') {
      const services = manifests.filter(
        (each) => each.kind === 'Service' && Object.entries(labels!).every(([key, value]) => each.metadata.labels?.[key] === value),
      );
      if (services.length === 0) yield `${here}: chooses no Service`;
      for (const { port, path } of spec.endpoints) {
        if (path !== '/metrics') yield `${here}: asks for ${path}, not /metrics`;
        if (!services.every((each) => each.spec.ports.some(({ name }: any) => name === port))) yield `${here}: there is no port ${port}`;
      }
      continue;
    }
    if (labels === undefined) continue;
    const meant = chosen(labels);
    // What waits for vLLM pods may be laid over a deployment that has none.
    // What several kinds of pods have in common may be said of all of them at once.
    const mayBeSeveral = kind === 'PodMonitor' || kind === 'NetworkPolicy';
    if (mayBeSeveral ? meant.length === 0 : meant.length !== 1) yield `${here}: chooses ${meant.length} kinds of pods`;
    const named: string[] =
      kind === 'Service'
        ? spec.ports.map(({ targetPort }: any) => targetPort)
        : kind === 'PodMonitor'
          ? spec.podMetricsEndpoints.map(({ port }: any) => port)
          : kind === 'NetworkPolicy'
            ? spec.ingress.flatMap(({ ports }: any) => ports.map(({ port }: any) => port))
            : [];
    for (const pod of meant)
      for (const port of named) if (!portsOf(pod).includes(port)) yield `${here}: ${pod.metadata.name} has no port ${port}`;
    // What stands alone is in front of pods that others bring.
    if (kind === 'NetworkPolicy' && pods.length > 1)
      for (const { to = [] } of spec.egress)
        for (const { podSelector } of to)
          if (podSelector && chosen(podSelector.matchLabels).length === 0) yield `${here}: lets it reach pods that there are not`;
  }
  for (const pod of pods)
    if (pod.kind === 'StatefulSet' && !manifests.some(({ kind, metadata }) => kind === 'Service' && metadata.name === pod.spec.serviceName))
      yield `${pod.kind}/${pod.metadata.name}: there is no Service ${pod.spec.serviceName} to name its pods`;
}
