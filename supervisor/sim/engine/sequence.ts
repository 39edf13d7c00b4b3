/** One sequence in the engine: a prompt and what was generated after it. */
export interface Sequence {
  /** Ids of the prompt, then of what was generated. Grows by `append`. */
  readonly tokens: number[];
  readonly promptLength: number;
  /** Tokens whose keys and values are in the cache. */
  computed: number;
  /** Tokens of the prompt that the prefix cache had at the first admission. */
  cached: number;
  readonly blocks: number[];
  /** Chained hash of each full block, as far as hashes were needed. */
  readonly hashes: number[];
  state: 'new' | 'waiting' | 'running' | 'finished';
  /** What its first block is hashed with (vLLM's `cache_salt`): what has another is never found as its beginning. */
  salt: number;
  /** It computes all of its prompt, whatever the cache has (vLLM's `skip_reading_prefix_cache`, for log-probabilities of the prompt). */
  skipsCache: boolean;
  preemptions: number;
  /** Less is sooner, where the scheduler goes by it. */
  priority: number;
  /** Its place in the order of arrival. */
  arrival: number;
}

const NO_SALT = 0x9e3779b9;

/** Of a text that is to keep others away from what is cached. */
export function saltOf(text: string): number {
  const codes = Array.from(text, (char) => char.codePointAt(0)!);
  return hashBlock(NO_SALT, codes, 0, codes.length);
}

export function newSequence(prompt: readonly number[]): Sequence {
  return {
    tokens: prompt.slice(),
    promptLength: prompt.length,
    computed: 0,
    cached: 0,
    blocks: [],
    hashes: [],
    state: 'new',
    salt: NO_SALT,
    skipsCache: false,
    preemptions: 0,
    priority: 0,
    arrival: 0,
  };
}

/** Chains `parent` with the tokens `from`..`to` into a number of 52 bits. */
function hashBlock(parent: number, tokens: readonly number[], from: number, to: number): number {
  let high = (parent / 0x100000000) | 0;
  let low = parent | 0;
  for (let i = from; i < to; i++) {
    low = Math.imul(low ^ tokens[i]!, 0x01000193);
    high = Math.imul(high ^ (low >>> 15), 0x85ebca6b) + tokens[i]!;
  }
  return ((high >>> 0) & 0xfffff) * 0x100000000 + (low >>> 0);
}

/** The chained hash of block `index`, which is full: of all tokens up to its end. */
export function blockHash(sequence: Sequence, index: number, blockSize: number): number {
  for (let i = sequence.hashes.length; i <= index; i++) {
    const from = i * blockSize;
    sequence.hashes.push(hashBlock(sequence.hashes[i - 1] ?? sequence.salt, sequence.tokens, from, from + blockSize));
  }
  return sequence.hashes[index]!;
}
