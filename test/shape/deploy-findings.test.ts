import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findings } from './deploy/findings.ts';
import { type Manifest, render } from './deploy/kustomize.ts';

// What is sound is changed in one place, and the place is told.

const OVERLAYS = fileURLToPath(new URL('../../deploy/kubernetes/overlays/', import.meta.url));

const rendered = { fleet: render(`${OVERLAYS}fleet`), mixed: render(`${OVERLAYS}fleet-mixed`), t4: render(`${OVERLAYS}t4`) };

function changed(change: (manifests: any[]) => void, overlay: keyof typeof rendered = 'fleet'): Manifest[] {
  const manifests = structuredClone(rendered[overlay]);
  change(manifests);
  return manifests;
}

const gateway = (all: any[]): any => all.find(({ kind }) => kind === 'Deployment').spec.template.spec;
const of = (all: any[], kind: string): any => all.find((each) => each.kind === kind).spec;
const engine = (all: any[]): any => of(all, 'StatefulSet').template.spec.containers[0];
/** Puts something else into the text of the gateway's settings. */
function settings(all: any[], from: string, to: string): void {
  const { data } = all.find(({ kind }) => kind === 'ConfigMap');
  expect(data['headgate.yaml']).toContain(from);
  data['headgate.yaml'] = data['headgate.yaml'].replace(from, to);
}
const named = (all: any[], kind: string, name: string): any => all.find((each) => each.kind === kind && each.metadata.name === name);
const store = (all: any[], kind = 'Deployment'): any => named(all, kind, 'headgate-store').spec;
const perPod = (name: string): object => ({
  type: 'Pods',
  pods: { metric: { name }, target: { type: 'AverageValue', averageValue: '8' } },
});
test.each<[string, (manifests: any[]) => void, string]>([
  ['a grace as long as the drain', (all) => (gateway(all).terminationGracePeriodSeconds = 130), 'ends after 130 s'],
  ['a probe of another path', (all) => (gateway(all).containers[0].livenessProbe.httpGet.path = '/readyz'), 'asks for /readyz, not /livez'],
  ['a port that is not listened on', (all) => (gateway(all).containers[0].ports[0].containerPort = 8000), 'server.port is 8080'],
  ['a variable that is no setting', (all) => gateway(all).containers[0].env.push({ name: 'HEADGATE_SERVER__POTR', value: '1' }), 'POTR'],
  ['a value that is none', (all) => gateway(all).containers[0].env.push({ name: 'HEADGATE_LOG__LEVEL', value: 'loud' }), 'got "loud"'],
  ['a flag that is none', (all) => gateway(all).containers[0].args.push('--worrker'), 'has no flag --worrker'],
  ['an image of any version', (all) => (gateway(all).containers[0].image = 'headgate:latest'), 'is not pinned'],
  ['a root that can be written', (all) => (gateway(all).containers[0].securityContext.readOnlyRootFilesystem = false), 'more rights'],
  ['a heap as large as the memory', (all) => (gateway(all).containers[0].resources.limits.memory = '768Mi'), 'outgrow'],
  ['a mount of nothing', (all) => gateway(all).volumes.pop(), 'mounts tmp'],
  ['a start too short', (all) => (gateway(all).containers[0].startupProbe.failureThreshold = 30), 'given up'],
  ['no word of rights', (all) => delete gateway(all).containers[0].securityContext, 'more rights'],
  ['a pod that may be root', (all) => delete gateway(all).securityContext, 'may run as root'],
  ['a probe that is missing', (all) => delete gateway(all).containers[0].readinessProbe, 'there is no readinessProbe'],
  ['a probe at the port of clients', (all) => (gateway(all).containers[0].readinessProbe.httpGet.port = 'http'), 'asks at http'],
  ['an end without warning', (all) => delete gateway(all).containers[0].lifecycle, 'there is no preStop'],
  ['an engine on another port', (all) => (engine(all).args[2] = '--port=8080'), '--port is 8080'],
  ['an engine asked for another path', (all) => (engine(all).readinessProbe.httpGet.path = '/healthz'), 'asks for /healthz, not /health'],
  [
    'a pod that its own owner does not choose',
    (all) => (of(all, 'Deployment').selector.matchLabels['app.kubernetes.io/name'] = 'x'),
    'Deployment/headgate: chooses 0 kinds',
  ],
  ['a budget that lets no pod go', (all) => (of(all, 'PodDisruptionBudget').maxUnavailable = 0), 'lets none of 2 pods be evicted'],
  [
    'one that wants as many as there are',
    (all) => Object.assign(of(all, 'PodDisruptionBudget'), { minAvailable: 2, maxUnavailable: undefined }),
    'lets none of 2 pods be evicted',
  ],
  [
    'one that wants nearly all of one pod',
    (all) =>
      Object.assign(all.findLast(({ kind }) => kind === 'PodDisruptionBudget').spec, { minAvailable: '60%', maxUnavailable: undefined }),
    'lets none of 1 pods be evicted',
  ],
  ['a budget of nobody', (all) => (of(all, 'PodDisruptionBudget').selector.matchLabels['app.kubernetes.io/name'] = 'x'), 'chooses 0 kinds'],
  [
    'a scaler by a metric that is none',
    (all) => (of(all, 'HorizontalPodAutoscaler').metrics = [perPod('headgate_queue_length')]),
    'no metric headgate_queue_length',
  ],
  ['one by a metric of others', (all) => (of(all, 'HorizontalPodAutoscaler').metrics = [perPod('queue')]), 'no metric of Headgate: queue'],
  [
    'one by what nobody measures',
    (all) => (of(all, 'HorizontalPodAutoscaler').metrics[0].resource.name = 'cpus'),
    'goes by cpus, which nobody measures',
  ],
  ['one by a share of nothing', (all) => delete gateway(all).containers[0].resources.requests.cpu, 'of which its pods request none'],
  ['one that begins above its end', (all) => (of(all, 'HorizontalPodAutoscaler').minReplicas = 9), 'from 9 to 6 pods'],
  ['a Service of nobody', (all) => (of(all, 'Service').selector['app.kubernetes.io/component'] = 'x'), 'chooses 0 kinds'],
  ['a Service to no port', (all) => (of(all, 'Service').ports[0].targetPort = 'web'), 'has no port web'],
  ['a scaler of nothing', (all) => (of(all, 'HorizontalPodAutoscaler').scaleTargetRef.name = 'x'), 'there is no Deployment/x'],
  ['a pod that the gateway does not know', (all) => (of(all, 'ScaledObject').maxReplicaCount = 5), 'does not know http://vllm-4.vllm:8000'],
  [
    'a label that is none',
    (all) => (of(all, 'ScaledObject').triggers[0].metadata.query = 'sum(headgate_queue_depth{klass="batch"})'),
    'headgate_queue_depth has no label klass',
  ],
  [
    'more places than the engine has',
    (all) => settings(all, 'vllm-2.vllm:8000\n    max_num_seqs: 64', 'vllm-2.vllm:8000'),
    'sends http://vllm-2.vllm:8000 256 calls at once, StatefulSet/vllm has --max-num-seqs=64',
  ],
  [
    'an engine that does not say how many it runs',
    (all) => (engine(all).args = engine(all).args.filter((arg: string) => !arg.startsWith('--max-num-seqs'))),
    'StatefulSet/vllm has --max-num-seqs=NaN',
  ],
  ['two stores', (all) => (store(all).replicas = 2), 'there may be two'],
  ['a store that begins before another has ended', (all) => delete store(all).strategy, 'there may be two'],
  [
    'a store that forgets',
    (all) => store(all).template.spec.containers[0].args.splice(-1, 1, 'allkeys-lru'),
    'Deployment/headgate-store: forgets what it was given',
  ],
  [
    'a store as large as its memory',
    (all) => (store(all).template.spec.containers[0].resources.limits.memory = '256Mi'),
    'Deployment/headgate-store: may outgrow',
  ],
  ['a store at another port', (all) => (store(all).template.spec.containers[0].ports[0].containerPort = 6380), '--port is 6379'],
  ['a store that nobody looks at', (all) => delete store(all).template.spec.containers[0].readinessProbe, 'there is no readinessProbe'],
  ['a store that anybody reaches', (all) => delete store(all, 'NetworkPolicy').ingress[0].from, 'others than gateways reach it'],
  [
    'a store that whole namespaces reach',
    (all) => store(all, 'NetworkPolicy').ingress[0].from.push({ namespaceSelector: {} }),
    'others than gateways reach it',
  ],
  [
    'a gateway that goes elsewhere',
    (all) => (store(all, 'Service').ports[0].port = 6380),
    'state.url is redis://headgate-store:6379, and headgate-store is at redis://headgate-store:6380',
  ],
  ['metrics at another path', (all) => (of(all, 'ServiceMonitor').endpoints[0].path = '/stats'), 'asks for /stats, not /metrics'],
  ['a metric that is none', (all) => (of(all, 'ScaledObject').triggers[0].metadata.query = 'headgate_depth'), 'no metric headgate_depth'],
])('finds %s', (_, change, message) => expect(findings(changed(change)).join('\n')).toContain(message));

test('finds an engine that is ended too early', () => {
  const early = changed((all) => (of(all, 'StatefulSet').template.spec.terminationGracePeriodSeconds = 130), 't4');
  expect(findings(early).join('\n')).toContain('ends after 130 s');
});

const role = (all: any[]): any => all.find(({ kind }) => kind === 'Role');
const without = (kind: string) => (all: any[]) => {
  const at = all.findIndex((each) => each.kind === kind);
  all.splice(at, 1);
};

test.each<[string, (manifests: any[]) => void, string]>([
  ['a right that nobody needs', (all) => role(all).rules[0].verbs.push('patch'), 'rights that it does not need'],
  ['rights on everything', (all) => (role(all).rules[0].resources = ['*']), 'rights that it does not need'],
  ['a role that is not there', without('Role'), 'rights that it does not need: "Role/headgate-discovery, which there is not"'],
  ['a role that is bound to nobody', without('RoleBinding'), 'without the right to'],
  ['a pod without a token', (all) => (gateway(all).automountServiceAccountToken = false), 'without a token'],
  [
    'workers of a Service that is not there',
    (all) => (named(all, 'Service', 'vllm-t4').metadata.name = 'x'),
    'looks for workers of Service vllm-t4, which there is not',
  ],
  [
    'pods that the gateway does not look for',
    (all) => settings(all, 'service: vllm-t4', 'service: vllm-l5'),
    'the gateway does not look for the pods of vllm-t4',
  ],
  [
    'more places than the engine has',
    (all) => settings(all, 'max_num_seqs: 16', 'max_num_seqs: 64'),
    'sends vllm-t4 64 calls at once, Deployment/vllm-t4 has --max-num-seqs=16',
  ],
])('finds %s where workers are found', (_, change, message) => expect(findings(changed(change, 'mixed')).join('\n')).toContain(message));

test('finds rights, and a token, of a gateway that looks for nobody', () => {
  const map = (all: any[]): any => all.find(({ kind }) => kind === 'ConfigMap');
  const idle = changed((all) => (map(all).data = map(rendered.fleet as any[]).data), 'mixed');
  expect(findings(idle).join('\n')).toContain('has rights in the cluster and looks for nobody');
  expect(findings(idle).join('\n')).toContain('has a token for the cluster that it does not need');
});
