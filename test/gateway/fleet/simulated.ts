import type { Answer, Saying, Standing } from '../../../gateway/fleet/terms.ts';
import { WorkerPlaces } from '../../../gateway/fleet/worker-places.ts';

const STEP_MS = 10;
const LOOK_MS = 50;
const SCRAPE_MS = 500;
const ROUND_MS = 250;
const SOON_MS = 50;
const LEASE_MS = 5_000;
const REST_MS = 3_000;

export interface Weather {
  readonly random: () => number;
  readonly gateways: number;
  readonly total: number;
  /** Gateways meet in a store; otherwise they only see the worker. */
  readonly store: boolean;
  /** Of scrapes, so many are lost; so many are late, by up to two seconds. */
  readonly lost: number;
  readonly late: number;
}

interface Running {
  readonly endsAt: number;
}

export interface Gateway {
  readonly id: string;
  places: WorkerPlaces;
  queue: number[];
  running: Running[];
  nextScrape: number;
  nextRound: number;
  nextLook: number;
  /** Answers that are on their way. */
  sights: { at: number; seen: number; own: number; tookMs: number }[];
  isAlive: boolean;
  isAsking: boolean;
  /** It does not reach the store. */
  isCutOff: boolean;
}

/** Gateways in front of one worker, in virtual time. The store is as the script says. */
export class SimulatedFleet {
  now = 0;
  readonly gateways: Gateway[] = [];
  readonly #weather: Weather;
  readonly #entries = new Map<string, Standing & { expires: number }>();
  #due: { at: number; run: () => void }[] = [];
  isStoreUp = true;
  /** More calls than these are too many. */
  bound: number;
  /** For how long there have been too many, without a break. */
  overMs = 0;
  longestOverMs = 0;
  /** The largest share of the places that was in use. */
  most = 0;

  constructor(weather: Weather) {
    this.#weather = weather;
    this.bound = weather.total * 1.2;
    for (let i = 0; i < weather.gateways; i++) this.join();
  }

  join(): Gateway {
    const { random } = this.#weather;
    const id = `g${this.gateways.length}`;
    const gateway: Gateway = {
      id,
      places: new WorkerPlaces({ id, worker: 'w' }),
      ...{ queue: [], running: [], sights: [], isAlive: true, isAsking: false, isCutOff: false },
      nextScrape: this.now + random() * SCRAPE_MS,
      nextRound: this.now,
      nextLook: this.now,
    };
    this.gateways.push(gateway);
    return gateway;
  }

  kill(gateway: Gateway): void {
    gateway.isAlive = false;
    gateway.running = [];
    gateway.queue = [];
  }

  get alive(): Gateway[] {
    return this.gateways.filter(({ isAlive }) => isAlive);
  }

  get atWorker(): number {
    return this.gateways.reduce((sum, { running }) => sum + running.length, 0);
  }

  /** Calls come to it, each of which takes so long. */
  burst(gateway: Gateway, count: number, ms: () => number): void {
    for (let i = 0; i < count; i++) gateway.queue.push(ms());
  }

  step(): void {
    const { total, store } = this.#weather;
    this.now += STEP_MS;
    if (this.#due.some(({ at }) => at <= this.now)) {
      const due = this.#due.filter(({ at }) => at <= this.now);
      this.#due = this.#due.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
    }
    for (const gateway of this.alive) {
      if (gateway.running.some(({ endsAt }) => endsAt <= this.now))
        gateway.running = gateway.running.filter(({ endsAt }) => endsAt > this.now);
      this.#fill(gateway);
      if (gateway.nextScrape <= this.now) this.#scrape(gateway);
      if (this.now >= gateway.nextLook) {
        gateway.nextLook = this.now + LOOK_MS;
        this.#tellNeeds(gateway);
      }
      const come = gateway.sights.filter(({ at }) => at <= this.now);
      gateway.sights = gateway.sights.filter(({ at }) => at > this.now);
      for (const sight of come) gateway.places.look(sight, this.#count(gateway));
      if (store && !gateway.isAsking && gateway.nextRound <= this.now) this.#round(gateway);
    }
    for (const gateway of this.alive) this.#fill(gateway);
    const over = this.atWorker / total;
    this.most = Math.max(this.most, over);
    this.overMs = this.atWorker > this.bound ? this.overMs + STEP_MS : 0;
    this.longestOverMs = Math.max(this.longestOverMs, this.overMs);
  }

  run(ms: number, each?: () => void): void {
    for (const end = this.now + ms; this.now < end;) {
      this.step();
      each?.();
    }
  }

  /** A place that is free is taken at once by who waits. */
  #fill(gateway: Gateway): void {
    const { running, queue, places } = gateway;
    const most = places.most(this.#count(gateway), this.now, SCRAPE_MS);
    while (queue.length > 0 && running.length < most) running.push({ endsAt: this.now + queue.shift()! });
  }

  #tellNeeds({ running, queue, places }: Gateway): void {
    const inUse = running.length;
    places.needs({ total: this.#weather.total, first: inUse + queue.length, rest: 0, inUse, kept: inUse });
  }

  #count(gateway: Gateway): number {
    return gateway.places.gateways(this.now) ?? (this.#weather.store ? 2 : this.#weather.gateways);
  }

  /** The page shows the worker as it is when it is written, somewhere on the way. */
  #scrape(gateway: Gateway): void {
    const { random, lost, late } = this.#weather;
    gateway.nextScrape += SCRAPE_MS;
    if (random() < lost) return;
    const delay = random() < late ? random() * 2_000 : random() * 30;
    const own = gateway.running.length;
    const asked = this.now;
    this.#due.push({
      at: asked + delay * random(),
      run: () => gateway.sights.push({ at: asked + delay, seen: this.atWorker, own, tookMs: delay }),
    });
  }

  #round(gateway: Gateway): void {
    const { random } = this.#weather;
    gateway.nextRound = this.now + ROUND_MS;
    this.#tellNeeds(gateway);
    const saying = gateway.places.saying();
    gateway.isAsking = true;
    const way = 1 + random() * 20;
    let answer: Answer | null = null;
    this.#due.push({
      at: this.now + way,
      run: () => (answer = this.isStoreUp && !gateway.isCutOff ? this.#settle(gateway.id, saying) : null),
    });
    this.#due.push({
      at: this.now + 2 * way,
      run: () => {
        gateway.isAsking = false;
        if (!gateway.isAlive) return;
        if (answer === null) return gateway.places.missed();
        gateway.places.heard(answer, this.now);
        if (gateway.places.isComing || gateway.places.isWanted) gateway.nextRound = Math.min(gateway.nextRound, this.now + SOON_MS);
      },
    });
  }

  /** The store forgets what it was told. */
  forget(): void {
    this.#entries.clear();
  }

  /** As the script of the store does. */
  #settle(id: string, { total, first, rest, held, ask }: Saying): Answer {
    for (const [other, { expires }] of this.#entries) if (expires + REST_MS <= this.now && other !== id) this.#entries.delete(other);
    const others = [...this.#entries.values()].filter((entry) => entry.id !== id);
    const least = Math.min(total, ...others.filter(({ expires }) => expires > this.now).map((entry) => entry.total));
    const free = least - held - others.reduce((sum, entry) => sum + entry.held, 0);
    const granted = Math.max(0, Math.min(ask, free));
    const servedAt = granted > 0 ? this.now : (this.#entries.get(id)?.servedAt ?? 0);
    this.#entries.set(id, { ...{ id, total, first, rest, servedAt }, held: held + granted, isGone: false, expires: this.now + LEASE_MS });
    return { granted, standings: [...this.#entries.values()].map((each) => ({ ...each, isGone: each.expires <= this.now })) };
  }
}
