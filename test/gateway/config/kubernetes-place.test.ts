import { expect, test } from 'vitest';
import { kubernetesPlace, knowsKubernetes } from '../../../gateway/config/kubernetes-place.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const ENV = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };

function settings(kubernetes: object = {}) {
  return settingsSchema.parse({ discovery: { kubernetes } });
}

function pod(path: string): Uint8Array | null {
  return path === `${ACCOUNT}/namespace` ? Buffer.from('models\n') : null;
}

test('in a pod it is that of the cluster, as the service account', () => {
  expect(kubernetesPlace(settings(), ENV, pod)).toEqual({
    url: 'https://10.96.0.1:443',
    tokenFile: `${ACCOUNT}/token`,
    caFile: `${ACCOUNT}/ca.crt`,
    namespace: 'models',
  });
  expect(kubernetesPlace(settings(), { ...ENV, KUBERNETES_SERVICE_HOST: 'fd00::1' }, pod).url).toBe('https://[fd00::1]:443');
});

test('one that the settings name is never sent the token of the cluster', () => {
  expect(kubernetesPlace(settings({ api: 'https://other:6443/k8s/' }), ENV, pod)).toEqual({
    url: 'https://other:6443/k8s',
    tokenFile: null,
    caFile: null,
    namespace: 'default',
  });
  expect(kubernetesPlace(settings({ api: 'http://a', token_file: '/t', ca_file: '/c' }), {}, pod)).toMatchObject({
    tokenFile: '/t',
    caFile: '/c',
  });
});

test('outside of a cluster it has its usual name, and nothing is known', () => {
  const nothing = () => {
    throw new Error('not here');
  };
  expect(kubernetesPlace(settings(), {}, nothing)).toMatchObject({ url: 'https://kubernetes.default.svc', namespace: 'default' });
  expect(knowsKubernetes(settings(), {})).toBe(false);
  expect(knowsKubernetes(settings(), { ...ENV, KUBERNETES_SERVICE_PORT: 'tcp://x' })).toBe(false);
  expect(knowsKubernetes(settings(), ENV)).toBe(true);
  expect(knowsKubernetes(settings({ api: 'http://a' }), {})).toBe(true);
});
