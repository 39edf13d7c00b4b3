import type { CallSeen } from '../law/call-seen.ts';
import { ask, type Asked } from './ask.ts';

interface TrafficOptions {
  readonly base: () => string;
  /** A name that no other traffic of this gateway has: the beginning of its marks. Small letters and digits. */
  readonly name: string;
  /** Between two calls, in milliseconds on average. */
  readonly everyMs: number;
  readonly limitMs: number;
  readonly chance: () => number;
  /** Laid over each call. */
  readonly change?: (asked: Asked, at: number) => Asked;
  readonly onEnd?: (call: CallSeen) => void;
}

const MOST_AT_ONCE = 1_000;
const SHARE_OF_STREAMS = 0.6;
const SHARE_OF_LOWER_CLASS = 0.2;

/** Calls one after another, streams and others, of both classes, whether or not those before have ended. */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  #at = 0;
  #isOver = false;
  /** Calls that were never sent, because too many were under way. */
  dropped = 0;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  start(): void {
    const next = (): void => {
      if (this.#isOver) return;
      this.send();
      this.#timer = setTimeout(next, this.#options.everyMs * (0.5 + this.#options.chance()));
    };
    next();
  }

  /** One call, or more at the same moment. */
  send(count = 1, change: (asked: Asked, at: number) => Asked = (asked) => asked): void {
    for (let i = 0; i < count; i++) this.#send(change);
  }

  /** No call is sent any more. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#isOver = true;
  }

  /** No call is sent any more. Resolves when all have ended. */
  async end(): Promise<void> {
    this.stop();
    await Promise.all(this.#underWay);
  }

  #send(change: (asked: Asked, at: number) => Asked): void {
    if (this.#underWay.size >= MOST_AT_ONCE) return void this.dropped++;
    const { base, name, limitMs, chance, onEnd } = this.#options;
    const at = this.#at++;
    const isLower = chance() < SHARE_OF_LOWER_CLASS;
    const usual: Asked = {
      mark: { id: `${name}-${at}`, words: 4 + Math.floor(chance() * 20) },
      stream: chance() < SHARE_OF_STREAMS,
      headers: isLower ? { 'x-headgate-priority': 'batch' } : {},
      limitMs,
    };
    const asked = change(this.#options.change?.(usual, at) ?? usual, at);
    const ended = ask(base(), asked).then((call) => {
      this.#underWay.delete(ended);
      onEnd?.(call);
    });
    this.#underWay.add(ended);
  }
}
