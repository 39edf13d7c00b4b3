import type { Call, Prefix } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { Events, PrefixFigures } from '../../core/events.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';
import { PrefixNews, type SentPrompt } from '../prefix/prefix-news.ts';
import { PrefixTree } from '../prefix/prefix-tree.ts';
import type { BalancerSettings, LoadBalancer } from './load-balancer.ts';
import { type PrefixRoute, PrefixRoutes } from './prefix-routes.ts';

interface PrefixesContext {
  readonly clock: Clock;
  readonly events: Pick<Events, 'prefixRouted'>;
  readonly directory: Pick<WorkerDirectory, 'workers'>;
  readonly balancer: () => BalancerSettings;
  /** What the other processes are told; absent: there are none. */
  readonly kin?: { readonly prompts: (prompts: readonly SentPrompt[]) => void } | undefined;
}

/** What there is of `load_balancer.affinity: prefix`: what workers have, where calls go for it, what other processes hear of that. */
export class Prefixes {
  readonly #context: PrefixesContext;
  readonly #tree: PrefixTree;
  readonly #routes: PrefixRoutes;
  readonly #news: PrefixNews | null;

  constructor(context: PrefixesContext, balancer: LoadBalancer) {
    this.#context = context;
    this.#tree = new PrefixTree(() => context.directory.workers());
    this.#routes = new PrefixRoutes(this.#tree, balancer);
    this.#news = context.kin ? new PrefixNews(context.clock, context.kin.prompts) : null;
  }

  get figures(): PrefixFigures {
    return this.#routes.figures;
  }

  /** Where the call's prompt goes; null: that does not matter. `workers` is not empty. */
  route({ peek }: Call, workers: readonly Worker[], now: number): (PrefixRoute & { readonly prefix: Prefix }) | null {
    const settings = this.#context.balancer();
    const { prefix } = peek;
    if (prefix == null || settings.affinity !== 'prefix') return null;
    return { ...this.#routes.choose(workers, settings, prefix, now), prefix };
  }

  /** The call goes there. @returns to be called when the worker begins to answer, or never will */
  place(call: Call, route: PrefixRoute & { readonly prefix: Prefix }): () => void {
    const { blocks } = route.prefix;
    this.#context.events.prefixRouted(call, route.result, blocks.length, route.matched);
    this.#news?.add(route.worker.id, blocks);
    return this.#routes.place(route, route.prefix);
  }

  /** Another process has sent these. */
  take(prompts: readonly SentPrompt[]): void {
    if (this.#context.balancer().affinity !== 'prefix') return;
    const byId = new Map(this.#context.directory.workers().map((worker) => [worker.id, worker]));
    for (const [id, blocks] of prompts) if (byId.has(id)) this.#tree.hold(byId.get(id)!, blocks);
  }

  /** Forgets what was sent to lives that have ended. */
  forgetEnded(): void {
    this.#tree.forgetEnded();
  }

  /** Takes over new settings. */
  configure(): void {
    if (this.#context.balancer().affinity !== 'prefix') this.#tree.clear();
  }

  close(): void {
    this.#news?.close();
  }
}
