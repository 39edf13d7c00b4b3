import type { CardToPlace, ModelToPlace, Suit } from './suit.ts';
import { costOf, isUsable, PASSES, passes } from './suit.ts';

/**
 * A card for each model, as far as they go: by the model's place in the list. As many models as possible get one, the earlier ones first;
 * a model that runs already stays where it is unless another could not have a card otherwise. Models that take several cards get none.
 */
export function matchCards(models: readonly ModelToPlace[], cards: readonly CardToPlace[]): ReadonlyMap<number, string> {
  const card = new Map<number, string>();
  const owner = new Map<string, number>();
  const give = (model: number, id: string) => {
    card.set(model, id);
    owner.set(id, model);
  };
  for (const [index, { suits, present }] of models.entries()) {
    const [at, ...more] = present[0] ?? [];
    if (at === undefined || more.length > 0 || owner.has(at) || !cards.some(({ id }) => id === at)) continue;
    const suit = suits.get(at);
    if (isAlone(suit) && isUsable(suit)) give(index, at);
  }
  for (const pass of PASSES) {
    const find = (index: number, seen: Set<string>): boolean => {
      const wanted = ranked(models[index]!, cards, pass).filter((id) => !seen.has(id));
      const free = wanted.find((id) => !owner.has(id));
      if (free !== undefined) {
        give(index, free);
        return true;
      }
      // Its owner may do as well with another.
      for (const id of wanted) {
        if (seen.has(id)) continue;
        seen.add(id);
        if (!find(owner.get(id)!, seen)) continue;
        give(index, id);
        return true;
      }
      return false;
    };
    for (const index of models.keys()) if (!card.has(index)) find(index, new Set());
  }
  return new Map([...card].toSorted(([a], [b]) => a - b));
}

/** What the model can have in this pass, the best first. */
function ranked({ suits }: ModelToPlace, cards: readonly CardToPlace[], pass: (typeof PASSES)[number]): readonly string[] {
  const known = cards.flatMap(({ id }) => {
    const suit = suits.get(id);
    return isAlone(suit) && passes(suit, pass) ? [{ id, cost: costOf(suit) }] : [];
  });
  return known.toSorted((a, b) => a.cost - b.cost).map(({ id }) => id);
}

function isAlone(suit: Suit | undefined): suit is Suit {
  return suit?.gpus === 1;
}
