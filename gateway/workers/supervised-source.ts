import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../core/clock.ts';
import type { SupervisorLink, SupervisorSnapshot } from '../link/snapshot.ts';
import type { WorkerView } from '../core/worker.ts';
import type { LiveDirectory } from './directory.ts';
import type { Sight } from '../vllm/sight.ts';
import type { WorkerSource } from './worker-source.ts';
import { type CommandResult, commandSupervisor } from '../link/commands.ts';
import { type LeaseAsked, leasePath } from '../link/lease-path.ts';
import { watchSupervisor } from '../link/watch.ts';

/** Calls that wait keep wishing; once a second is enough for the supervisor to know that they are still there. */
const WISH_AGAIN_MS = 1000;

/** What a worker is taken out of service for before its supervisor says so. */
const AWAY: ReadonlySet<Sight> = new Set(['refused', 'asleep', 'stopping']);

interface SupervisedSourceOptions {
  readonly clock: Clock;
  readonly directory: LiveDirectory;
  /** The control path. */
  readonly control: string;
  /** The process that the supervisor is to know; where several follow it as one gateway, theirs that stands for them. Default: this one. */
  readonly by?: number | undefined;
  /** Wishes are told by somebody else, who hears those of other processes too. */
  readonly tellWish?: ((model: string, waiting: number) => void) | undefined;
  /** Called when the link goes from one kind to another. */
  readonly onLinkChange?: (link: SupervisorLink) => void;
}

export interface SupervisedSource extends WorkerSource {
  /** The last snapshot heard, whatever the link. */
  snapshot(): SupervisorSnapshot | null;
  link(): SupervisorLink;
  /** The id is a worker's. `reset`: with what its profile asks for, whatever was relaxed. */
  restart(id: string, reset: boolean): Promise<CommandResult>;
  drain(id: string): Promise<CommandResult>;
  undrain(id: string): Promise<CommandResult>;
  /** The id is a model's. An operator's word: it is done at once. */
  load(id: string): Promise<CommandResult>;
  unload(id: string): Promise<CommandResult>;
  /** Lends a card, goes on lending it, or takes it back. `newId`: for a lease that has no id yet. */
  lease(asked: LeaseAsked, newId: () => string): Promise<CommandResult>;
  /** Resolves when the supervisor has been heard, or cannot be: of one whose workers have been ready there is something to hear. */
  known(wereReady: boolean): Promise<void>;
  /** Calls wait for a model. Told at most once a second for each, however often this is called. */
  wish(model: string, waiting: number): void;
}

/** Keeps the directory as the supervisor says it is. While the supervisor is away, workers go on serving. */
export function startSupervisedSource(options: SupervisedSourceOptions): SupervisedSource {
  const { clock, directory, control, onLinkChange } = options;
  let last: SupervisorSnapshot | null = null;
  let link: SupervisorLink = { kind: 'connecting' };
  /** Workers that were found gone, or of no use just now, with what the supervisor said of them then: the supervisor has yet to notice. */
  const gone = new Map<string, WorkerView>();
  /** Those of them that are about to end: they answer all the while. */
  const stopping = new Set<string>();
  /** When each model was last wished for; only models of the supervisor are. Monotonic milliseconds. */
  const wishedAt = new Map<string, number>();
  const heard = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();

  function setLink(next: SupervisorLink): void {
    const changed = next.kind !== link.kind;
    // The first loss is what counts; later attempts only tell another reason.
    link = next.kind === 'away' && link.kind === 'away' ? { ...next, since: link.since } : next;
    if (changed) onLinkChange?.(link);
  }

  function publish(): void {
    if (!last) return;
    // Nobody works on what it last foretold.
    const away = link.kind === 'away' ? { etaSeconds: null } : {};
    const views = last.workers.map((view): WorkerView => ({
      ...view,
      ...(gone.has(view.id) ? { state: 'starting', stage: null } : {}),
      ...away,
    }));
    directory.apply(
      views,
      last.models.map((model) => ({ ...model, ...away })),
    );
  }

  function said(id: string): WorkerView | undefined {
    return last?.workers.find((view) => view.id === id);
  }

  /** @returns whether it was away */
  function comeBack(id: string): boolean {
    stopping.delete(id);
    return gone.delete(id);
  }

  const watch = watchSupervisor({
    clock,
    control,
    by: options.by ?? process.pid,
    onSnapshot(snapshot) {
      last = snapshot;
      // A sign of life that repeats what was said before is no reason to trust the worker again.
      for (const [id, then] of gone) if (!isDeepStrictEqual(said(id), then)) comeBack(id);
      setLink({ kind: 'connected', heardAt: clock.now() });
      publish();
      heard.resolve();
      answered.resolve();
    },
    onAway(reason) {
      const isNews = link.kind !== 'away';
      setLink({ kind: 'away', since: clock.now(), reason });
      if (isNews) publish();
      answered.resolve();
    },
  });

  function command(path: string): Promise<CommandResult> {
    return commandSupervisor(clock, control, path);
  }

  return {
    snapshot: () => last,
    link: () => link,
    restart: (id, reset) => command(`/v1/workers/${encodeURIComponent(id)}/restart${reset ? '?reset=true' : ''}`),
    drain: (id) => command(`/v1/workers/${encodeURIComponent(id)}/drain`),
    undrain: (id) => command(`/v1/workers/${encodeURIComponent(id)}/undrain`),
    load: (id) => command(`/v1/models/${encodeURIComponent(id)}/load`),
    unload: (id) => command(`/v1/models/${encodeURIComponent(id)}/unload`),
    lease: (asked, newId) => command(leasePath(asked, newId)),
    wish(model, waiting) {
      const now = clock.now();
      if (now - (wishedAt.get(model) ?? -Infinity) < WISH_AGAIN_MS) return;
      wishedAt.set(model, now);
      if (options.tellWish) return options.tellWish(model, waiting);
      // What comes of it is seen in the next snapshot.
      void command(`/v1/models/${encodeURIComponent(model)}/load?waiting=${waiting}`);
    },
    scrapes: ({ id }) => said(id)?.state === 'ready' || said(id)?.state === 'draining',
    observe(id, sight) {
      if (sight === 'unseen') return;
      const view = said(id);
      if (AWAY.has(sight)) {
        if (view?.state !== 'ready' || gone.has(id)) return;
        gone.set(id, view);
        if (sight === 'stopping') stopping.add(id);
      } else if (sight === 'missed' || stopping.has(id) || !comeBack(id)) return;
      publish();
    },
    known: (wereReady) => (wereReady ? heard.promise : answered.promise),
    close: () => watch.close(),
  };
}
