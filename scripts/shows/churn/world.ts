import type { ApiServer } from './api-server.ts';
import type { Cluster, Pod } from './cluster.ts';
import type { Health, Place } from './place.ts';

type Chance = () => number;

/** A pod as Kubernetes has it, at its place. */
interface Living {
  readonly place: Place;
  uid: string;
  slice: 'a' | 'b';
  ready: boolean;
  terminating: boolean;
}

/** Pods that nothing ever happens to, so that there is always somebody. */
const STEADY = 3;
const LEAST = 6;
/** How long a pod that is told to end goes on at most. */
const GRACE_MS = 400;

/** What happens in a cluster, by chance, and what goes wrong between it and whoever watches. */
export class World {
  readonly happened = new Map<string, number>();
  readonly #cluster: Cluster;
  readonly #server: ApiServer;
  readonly #places: readonly Place[];
  readonly #chance: Chance;
  readonly #pods = new Map<Place, Living>();
  readonly #pending = new Set<Promise<void>>();
  #labelled = true;
  #made = 0;

  constructor(cluster: Cluster, server: ApiServer, places: readonly Place[], chance: Chance) {
    this.#cluster = cluster;
    this.#server = server;
    this.#places = places;
    this.#chance = chance;
  }

  async begin(): Promise<void> {
    for (const place of this.#places.slice(0, LEAST + STEADY)) await this.#add(place, 'well');
    this.#write();
  }

  /** Where calls may go: `listed` whoever is to be known, `well` whoever answers. */
  truth(): { readonly listed: string[]; readonly well: string[] } {
    const listed = [...this.#pods.values()].filter(
      ({ ready, terminating, slice }) => ready && !terminating && (slice === 'a' || this.#labelled),
    );
    const hosts = (some: readonly Living[]): string[] => some.map(({ place }) => place.host).toSorted();
    return { listed: hosts(listed), well: hosts(listed.filter(({ place }) => place.health === 'well' || place.health === 'slow')) };
  }

  /** One thing happens. */
  async happen(): Promise<void> {
    const kinds = Object.entries(this.#kinds());
    const all = kinds.reduce((sum, [, [weight]]) => sum + weight, 0);
    let at = this.#chance() * all;
    const [name, [, act]] = kinds.find(([, [weight]]) => (at -= weight) < 0) ?? kinds[0]!;
    this.happened.set(name, (this.happened.get(name) ?? 0) + 1);
    await act();
  }

  /** All that goes wrong is over, and what was begun is done. */
  async calm(): Promise<void> {
    Object.assign(this.#server.faults, { silent: false, swapped: false, losesDeletions: false });
    this.#server.faults.next.length = 0;
    await Promise.all(this.#pending);
    await this.#server.up();
    if (!this.#labelled) this.#label(true);
  }

  #kinds(): Readonly<Record<string, readonly [number, () => Promise<void> | void]>> {
    const { faults } = this.#server;
    return {
      'a pod comes': [18, () => this.#come()],
      'a pod is told to end': [12, () => this.#leave()],
      'a pod is gone at once': [8, () => this.#vanish()],
      'a pod is gone, and its address another’s': [4, () => this.#replace()],
      'a pod is not ready': [5, () => this.#ready(false)],
      'a pod is ready again': [6, () => this.#ready(true)],
      'a pod moves to another slice': [4, () => this.#move()],
      'a slice loses its label, or has it again': [3, () => this.#label(!this.#labelled)],
      'a pod is slow': [3, () => this.#become('slow')],
      'a pod is sick': [3, () => this.#become('sick')],
      'a pod is dead, and nobody has noticed': [3, () => this.#become('dead')],
      'the API server goes': [2, () => this.#server.down()],
      'the API server comes': [4, () => this.#server.up()],
      'watches end': [4, () => this.#server.end((['well', 'cut', 'mid-line'] as const)[Math.floor(this.#chance() * 3)]!)],
      'a watch is too old': [2, () => this.#server.expire()],
      'history is forgotten': [2, () => this.#cluster.compact()],
      'watches are silent': [2, () => void (faults.silent = true)],
      'deletions are lost': [2, () => void (faults.losesDeletions = true)],
      'events are swapped': [2, () => void (faults.swapped = !faults.swapped)],
      'a refusal': [
        3,
        () =>
          void faults.next.push({
            verb: this.#chance() < 0.5 ? 'list' : 'watch',
            status: [403, 429, 500, 504][Math.floor(this.#chance() * 4)]!,
          }),
      ],
      garbage: [1, () => this.#server.say('<html>no JSON</html>\n')],
    };
  }

  async #come(): Promise<void> {
    const free = this.#places.filter((place) => !this.#pods.has(place));
    const place = this.#one(free);
    if (!place) return;
    await this.#add(place, 'well');
    this.#write();
  }

  #leave(): void {
    const pod = this.#victim();
    if (!pod) return;
    pod.terminating = true;
    this.#write();
    this.#later(async () => {
      const end = performance.now() + GRACE_MS;
      while (pod.place.answering > 0 && performance.now() < end) await sleep(10);
      // It may be that the last call has just been sent: a pod goes on for a while before it ends.
      await sleep(GRACE_MS);
      await this.#gone(pod);
    });
  }

  /** First the pod is gone, and some time later Kubernetes says so. */
  async #vanish(): Promise<void> {
    const pod = this.#victim();
    if (!pod) return;
    // Nobody else may take it meanwhile.
    pod.terminating = true;
    await pod.place.end();
    this.#later(async () => {
      await sleep(this.#chance() * 500);
      this.#pods.delete(pod.place);
      this.#write();
    });
  }

  async #replace(): Promise<void> {
    const pod = this.#victim();
    if (!pod) return;
    await pod.place.end();
    await this.#add(pod.place, 'well');
    this.#write();
  }

  #ready(ready: boolean): void {
    const pod = this.#one(this.#choosable().filter((each) => each.ready !== ready && (ready || this.#choosable().length > LEAST)));
    if (!pod) return;
    pod.ready = ready;
    this.#write();
  }

  #move(): void {
    const pod = this.#one(this.#choosable());
    if (!pod) return;
    pod.slice = pod.slice === 'a' ? 'b' : 'a';
    this.#write();
  }

  #label(labelled: boolean): void {
    this.#labelled = labelled;
    this.#write();
  }

  async #become(health: Health): Promise<void> {
    const pod = this.#one(this.#choosable().filter(({ place }) => place.health === 'well'));
    if (!pod) return;
    if (health === 'dead') await pod.place.die();
    else pod.place.health = health;
  }

  async #gone(pod: Living): Promise<void> {
    this.#pods.delete(pod.place);
    await pod.place.end();
    this.#write();
  }

  async #add(place: Place, health: Health): Promise<void> {
    const uid = `pod-${(this.#made += 1)}`;
    this.#pods.set(place, {
      place,
      uid,
      slice: this.#chance() < 0.5 || this.#isSteady(place) ? 'a' : 'b',
      ready: true,
      terminating: false,
    });
    await place.begin(uid, health);
  }

  /** Whoever may come to harm: as long as there are enough, anybody but the steady ones. */
  #victim(): Living | undefined {
    const all = this.#choosable();
    return all.length > LEAST ? this.#one(all) : undefined;
  }

  #choosable(): Living[] {
    return [...this.#pods.values()].filter(({ place, terminating }) => !terminating && !this.#isSteady(place));
  }

  #isSteady(place: Place): boolean {
    return this.#places.indexOf(place) < STEADY;
  }

  #one<T>(of: readonly T[]): T | undefined {
    return of[Math.floor(this.#chance() * of.length)];
  }

  #later(act: () => Promise<void>): void {
    const pending = act().finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  /** Both slices as they are now. */
  #write(): void {
    for (const slice of ['a', 'b'] as const) {
      const own = [...this.#pods.values()].filter((pod) => pod.slice === slice);
      const pods: Pod[] = own.map(({ place, uid, ready, terminating }) => ({ uid, address: place.host, ready, terminating }));
      const port = this.#places[0]!.port;
      this.#cluster.put(`vllm-${slice}`, {
        service: slice === 'a' || this.#labelled ? 'vllm' : 'other',
        ports: [{ name: 'http', port }],
        pods,
      });
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
