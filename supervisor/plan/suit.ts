/** How a model would run on a card that it can run on at all. */
export interface Suit {
  /** How many cards of its kind one worker takes. */
  readonly gpus: number;
  /** 0: with room · 1: tightly · 2: nobody can say · 3: it is expected to fail. */
  readonly rank: 0 | 1 | 2 | 3;
  /** 0: it is idle · 1: a screen is attached · 2: others hold memory that is planned with · 3: they leave too little of it. */
  readonly company: 0 | 1 | 2 | 3;
}

export interface ModelToPlace {
  readonly id: string;
  /** Workers that it gets for itself. More than one for the first model only. */
  readonly copies: number;
  /** By card; on others it cannot run, or must not. */
  readonly suits: ReadonlyMap<string, Suit>;
  /** The cards that it runs on already, a list for each worker. */
  readonly present: readonly (readonly string[])[];
}

export interface CardToPlace {
  readonly id: string;
  /** Cards of one kind can share a model evenly. */
  readonly kind: string;
}

/** From what is best to what is still worth a card: a model had better share a good one in turns than have a hopeless one for itself. */
export const PASSES: readonly Pick<Suit, 'rank' | 'company'>[] = [
  { rank: 0, company: 1 },
  { rank: 2, company: 1 },
  { rank: 2, company: 2 },
];

/** Whether a card will do in this pass. */
export function passes({ rank, company }: Suit, most: (typeof PASSES)[number]): boolean {
  return rank <= most.rank && company <= most.company;
}

export function isUsable(suit: Suit): boolean {
  return passes(suit, PASSES.at(-1)!);
}

/** Lower is better: by pass, then by company, then by room. */
export function costOf(suit: Suit): number {
  const pass = PASSES.findIndex((most) => passes(suit, most));
  return (pass === -1 ? PASSES.length : pass) * 100 + suit.company * 10 + suit.rank;
}
