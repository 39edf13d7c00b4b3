import { matchCards } from './card-matching.ts';
import type { CardToPlace, ModelToPlace, Suit } from './suit.ts';
import { costOf, isUsable } from './suit.ts';

/** One worker: models that take turns, and the cards of each. The first of them is loaded at the start. */
export interface PlacedWorker {
  readonly models: ReadonlyMap<string, readonly string[]>;
  /** Workers that have to divide the fullest of its cards, this one included. */
  readonly sharers: number;
}

interface Worker {
  readonly cards: readonly string[];
  readonly models: ReadonlyMap<string, readonly string[]>;
  /** One of several copies of the first model: no other model may cost it its cards, or give it more. */
  readonly isCopy: boolean;
}

/**
 * Gives every model its cards. The first is the default. Each gets a worker on cards of its own where that can be, and as many of them as
 * can have that do; of two cards that are as good the earlier one is taken. Models that are left take turns on a card of others, and
 * copies beyond the cards divide them. A model that runs nowhere stands last in the first worker's line.
 */
export function placeModels(models: readonly ModelToPlace[], cards: readonly CardToPlace[]): readonly PlacedWorker[] {
  const [first] = models;
  if (!first || cards.length === 0) return [];
  let workers: readonly Worker[] = first.copies > 1 ? copies(first, cards) : [];
  const others = first.copies > 1 && workers.length > 0 ? models.slice(1) : models;
  const spread = others.filter(needsSeveral);
  for (const model of spread) workers = withGroup(workers, model, cards);
  const alone = others.filter((model) => !spread.includes(model));
  for (const [index, card] of matchCards(alone, unused(workers, cards))) workers = [...workers, newWorker(alone[index]!, [card])];
  for (const model of others)
    if (!workers.some(({ models }) => models.has(model.id))) workers = joined(workers, model, first.copies, cards);
  const placed = spreadOut(workers, models, cards);
  return inOrder(placed, models).map(({ models, cards: own }) => ({
    models,
    sharers: Math.max(1, ...own.map((card) => holders(placed, card))),
  }));
}

/** Every worker for the first model: on cards of their own as long as there are any, then in turn. */
function copies(model: ModelToPlace, cards: readonly CardToPlace[]): readonly Worker[] {
  const isAlone = !needsSeveral(model);
  const asked = Array.from({ length: model.copies }, (_, index) => ({ ...model, present: model.present.slice(index, index + 1) }));
  const own = isAlone ? matchCards(asked, cards) : new Map<number, string>();
  const workers: Worker[] = [];
  for (let index = 0; index < model.copies; index += 1) {
    const card = own.get(index);
    const group = card === undefined ? leastUsed(model, cards, [...workers, ...later(own, index)]) : [card];
    if (group) workers.push({ cards: group, models: new Map([[model.id, group]]), isCopy: true });
  }
  return workers;
}

/** Cards that are promised to copies whose turn is still to come. */
function later(own: ReadonlyMap<number, string>, index: number): readonly Pick<Worker, 'cards'>[] {
  return [...own].filter(([each]) => each > index).map(([, card]) => ({ cards: [card] }));
}

/** The cards for one more worker of a model whose cards may have to be shared. */
function leastUsed(
  model: ModelToPlace,
  cards: readonly CardToPlace[],
  workers: readonly Pick<Worker, 'cards'>[],
): readonly string[] | null {
  return (
    best(
      groups(model, cards, (card) => holders(workers, card)),
      workers,
    )?.cards ?? null
  );
}

/** A worker on several cards that nobody has yet, where there are so many. */
function withGroup(workers: readonly Worker[], model: ModelToPlace, cards: readonly CardToPlace[]): readonly Worker[] {
  const free = unused(workers, cards);
  const [present] = model.present;
  if (present && isGroup(model, present, free)) return [...workers, newWorker(model, present)];
  const group = best(
    groups(model, free, () => 0),
    workers,
  );
  return group && isUsable(group.suit) ? [...workers, newWorker(model, group.cards)] : workers;
}

/** The model takes turns with others, on as many workers as it may have; else it tries what is left; else it is refused where all see it. */
function joined(workers: readonly Worker[], model: ModelToPlace, most: number, cards: readonly CardToPlace[]): readonly Worker[] {
  const hosts = workers
    .map((worker) => ({
      worker,
      group: best(
        groups(
          model,
          cards.filter(({ id }) => worker.cards.includes(id)),
          () => 0,
        ),
        workers,
      ),
    }))
    .flatMap(({ worker, group }) => (group ? [{ worker, group }] : []))
    .toSorted((a, b) => costOf(a.group.suit) - costOf(b.group.suit) || a.worker.models.size - b.worker.models.size);
  const own = best(
    groups(model, unused(workers, cards), () => 0),
    workers,
  );
  const [host] = hosts;
  if (own && (!host || (costOf(own.suit) <= costOf(host.group.suit) && !isUsable(host.group.suit))))
    return [...workers, newWorker(model, own.cards)];
  if (host) {
    const as = new Map(
      hosts
        .filter(({ group }) => costOf(group.suit) === costOf(host.group.suit))
        .slice(0, most)
        .map(({ worker, group }) => [worker, group.cards]),
    );
    return workers.map((worker) => (as.has(worker) ? withModel(worker, model, as.get(worker)!) : worker));
  }
  return merged(workers, model, cards) ?? hopeless(workers, model, most, cards);
}

/** One worker instead of several, where a model needs the cards of all of them. */
function merged(workers: readonly Worker[], model: ModelToPlace, cards: readonly CardToPlace[]): readonly Worker[] | null {
  const open = cards.filter(({ id }) => !workers.some((worker) => worker.isCopy && worker.cards.includes(id)));
  const group = best(
    groups(model, open, (card) => holders(workers, card)),
    workers,
  );
  if (!group) return null;
  const touched = workers.filter((worker) => worker.cards.some((card) => group.cards.includes(card)));
  const all = new Set([...touched.flatMap((worker) => worker.cards), ...group.cards]);
  const turns = new Map([...touched.flatMap((worker) => [...worker.models]), [model.id, group.cards] as const]);
  return [...workers.filter((worker) => !touched.includes(worker)), { cards: [...all], models: turns, isCopy: false }];
}

/** Who came into a line when workers were merged leaves it for a card of its own, where there is one that nobody has. */
function spreadOut(workers: readonly Worker[], models: readonly ModelToPlace[], cards: readonly CardToPlace[]): readonly Worker[] {
  for (const model of models) {
    // What runs nowhere may stand before it without being in its way.
    const isGuest = ({ models: line }: Worker): boolean => {
      const runs = models.filter(({ id, suits }) => line.get(id)?.every((on) => suits.has(on) && isUsable(suits.get(on)!)));
      return line.has(model.id) && runs.length > 1 && runs[0] !== model;
    };
    const host = workers.find((worker) => !worker.isCopy && isGuest(worker));
    const own = unused(workers, cards).filter(({ id }) => model.suits.get(id)?.gpus === 1 && isUsable(model.suits.get(id)!));
    const [card] = own.toSorted((a, b) => costOf(model.suits.get(a.id)!) - costOf(model.suits.get(b.id)!));
    if (!host || !card) continue;
    const line = new Map([...host.models].filter(([id]) => id !== model.id));
    const left = { ...host, models: line, cards: [...new Set([...line.values()].flat())] };
    const others = workers.map((worker) => (worker === host ? left : worker));
    return spreadOut([...others, newWorker(model, [card.id])], models, cards);
  }
  return workers;
}

/** It has to stand somewhere, so that its refusal is seen. */
function hopeless(workers: readonly Worker[], model: ModelToPlace, most: number, cards: readonly CardToPlace[]): readonly Worker[] {
  if (workers.length === 0) return [newWorker(model, [cards[0]!.id])];
  return workers.map((worker, index) => (index < most ? withModel(worker, model, worker.cards) : worker));
}

interface Group {
  readonly cards: readonly string[];
  readonly suit: Suit;
}

/** What the model could have of these cards: the best of each kind, the least used first. */
function groups(model: ModelToPlace, cards: readonly CardToPlace[], users: (card: string) => number): readonly Group[] {
  const order = new Map(cards.map(({ id }, index) => [id, index]));
  return [...new Set(cards.map(({ kind }) => kind))].flatMap((kind) => {
    const own = cards.filter((card) => card.kind === kind && model.suits.has(card.id));
    const ranked = own.toSorted(
      (a, b) =>
        users(a.id) - users(b.id) || costOf(model.suits.get(a.id)!) - costOf(model.suits.get(b.id)!) || order.get(a.id)! - order.get(b.id)!,
    );
    const size = model.suits.get(ranked[0]?.id ?? '')?.gpus ?? Infinity;
    const taken = ranked.slice(0, size);
    if (taken.length < size) return [];
    // A group is as good as its worst card.
    const suit = taken.map(({ id }) => model.suits.get(id)!).toSorted((a, b) => costOf(b) - costOf(a))[0]!;
    return [{ cards: taken.map(({ id }) => id).toSorted((a, b) => order.get(a)! - order.get(b)!), suit }];
  });
}

function best(found: readonly Group[], workers: readonly Pick<Worker, 'cards'>[]): Group | null {
  const users = ({ cards }: Group) => Math.max(...cards.map((card) => holders(workers, card)));
  return (
    found.toSorted(
      (a, b) => Number(isUsable(b.suit)) - Number(isUsable(a.suit)) || users(a) - users(b) || costOf(a.suit) - costOf(b.suit),
    )[0] ?? null
  );
}

function isGroup(model: ModelToPlace, wanted: readonly string[], cards: readonly CardToPlace[]): boolean {
  const found = cards.filter(({ id }) => wanted.includes(id) && model.suits.get(id)?.gpus === wanted.length);
  return found.length === wanted.length && new Set(found.map(({ kind }) => kind)).size === 1;
}

/** No single card is enough. */
function needsSeveral({ suits }: ModelToPlace): boolean {
  const all = [...suits.values()];
  return all.length > 0 && !all.some((suit) => suit.gpus === 1 && isUsable(suit)) && all.some(({ gpus }) => gpus > 1);
}

function unused(workers: readonly Worker[], cards: readonly CardToPlace[]): readonly CardToPlace[] {
  return cards.filter(({ id }) => holders(workers, id) === 0);
}

function holders(workers: readonly Pick<Worker, 'cards'>[], card: string): number {
  return workers.filter((worker) => worker.cards.includes(card)).length;
}

function newWorker({ id }: ModelToPlace, cards: readonly string[]): Worker {
  return { cards, models: new Map([[id, cards]]), isCopy: false };
}

function withModel(worker: Worker, { id }: ModelToPlace, cards: readonly string[]): Worker {
  return { ...worker, models: new Map([...worker.models, [id, cards]]) };
}

/** Workers and their models in the order in which the models are listed; copies stay as they were made. */
function inOrder(workers: readonly Worker[], models: readonly ModelToPlace[]): readonly Worker[] {
  const place = new Map(models.map(({ id }, index) => [id, index]));
  const sorted = workers.map((worker) => ({
    ...worker,
    models: new Map([...worker.models].toSorted(([a], [b]) => place.get(a)! - place.get(b)!)),
  }));
  const firstOf = (worker: Worker) => place.get([...worker.models.keys()][0] ?? '') ?? Infinity;
  return sorted.toSorted((a, b) => firstOf(a) - firstOf(b));
}
