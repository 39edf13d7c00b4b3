import type { EndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1';

/** An EndpointSlice as the API server writes it. */
export type SliceObject = ConstructorParameters<typeof EndpointSlice>[0] & { readonly apiVersion: string; readonly kind: string };
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly object: SliceObject;
}

/** A pod behind a service. */
export interface Pod {
  readonly uid: string;
  readonly address: string;
  readonly ready: boolean;
  readonly terminating?: boolean;
}

interface SliceWish {
  readonly service?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly family?: 'IPv4' | 'IPv6';
  readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  readonly pods: readonly Pod[];
}

export const NAMESPACE = 'models';
const MOST_EVENTS = 10_000;

/** The EndpointSlices of one namespace, with their history: what etcd is for a real one. */
export class Cluster {
  readonly #slices = new Map<string, SliceObject>();
  readonly #listeners = new Set<(event: WatchEvent) => void>();
  #history: WatchEvent[] = [];
  #version = 1000;
  /** Versions below this are forgotten. */
  #oldest = 1000;

  get version(): number {
    return this.#version;
  }

  all(): readonly SliceObject[] {
    return [...this.#slices.values()];
  }

  /** Makes a slice, or changes the one of that name. */
  put(name: string, { service = 'vllm', labels = {}, family = 'IPv4', ports = [{ name: 'http', port: 8000 }], pods }: SliceWish): void {
    const before = this.#slices.get(name);
    const version = (this.#version += 1);
    const object: SliceObject = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name,
        namespace: NAMESPACE,
        uid: before?.metadata?.uid ?? `slice-${name}-${version}`,
        resourceVersion: String(version),
        generation: 1,
        creationTimestamp: '2026-11-30T07:00:00Z',
        labels: {
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
          'kubernetes.io/service-name': service,
          ...labels,
        },
      },
      addressType: family,
      endpoints: pods.map((pod) => ({
        addresses: pod.address === '' ? [] : [pod.address],
        conditions: { ready: pod.ready && pod.terminating !== true, serving: pod.ready, terminating: pod.terminating ?? false },
        nodeName: 'node-1',
        targetRef: { kind: 'Pod', name: `pod-${pod.uid}`, namespace: NAMESPACE, uid: pod.uid },
      })),
      ports: ports.map((port) => ({ name: '', protocol: 'TCP', ...port })),
    } as SliceObject;
    this.#slices.set(name, object);
    this.#happened({ type: before ? 'MODIFIED' : 'ADDED', version, object });
  }

  delete(name: string): void {
    const before = this.#slices.get(name);
    if (!before) return;
    const version = (this.#version += 1);
    this.#slices.delete(name);
    this.#happened({ type: 'DELETED', version, object: { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } } });
  }

  /** What happened after a version; null: nobody knows any more. */
  since(version: number): readonly WatchEvent[] | null {
    return version < this.#oldest ? null : this.#history.filter((event) => event.version > version);
  }

  /** Forgets what has happened so far, as etcd does every few minutes. */
  compact(): void {
    this.#history = [];
    this.#oldest = this.#version;
  }

  watch(listener: (event: WatchEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #happened(event: WatchEvent): void {
    this.#history.push(event);
    if (this.#history.length > MOST_EVENTS) this.compact();
    for (const listener of this.#listeners) listener(event);
  }
}
