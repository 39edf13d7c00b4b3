import type { Card } from '../card/card.ts';
import type { Engine } from './engine.ts';
import type { Log } from '../settings/log.ts';
import type { MemoryPlan } from '../card/memory.ts';
import type { SimSettings } from '../settings/settings.ts';

/** The parts of the memory that sleep gives back and that can be woken one by one. */
export const SLEEP_TAGS = ['weights', 'kv_cache'] as const;
type SleepTag = (typeof SLEEP_TAGS)[number];

/** How long moving weights takes, from measurements of models of 1 to 8 GiB: a fixed part in seconds, and how many GiB go in one second. */
const TO_HOST = { fixedS: 0.03, gibPerS: 12 };
const FROM_HOST = { fixedS: 0.02, gibPerS: 11 };
const FROM_DISK = { fixedS: 0.5, gibPerS: 4 };
const MAP_S = 0.03;

/** GPU memory that was given back could not be taken again. The server sleeps on. */
export class WakeFailure extends Error {}

/** Gives the weights and the KV cache back to the card, and takes them again. */
export class SleepMode {
  readonly #settings: SimSettings;
  readonly #engine: Engine;
  readonly #card: Card;
  readonly #plan: MemoryPlan;
  readonly #log: Log;
  readonly #asleep = new Set<SleepTag>();

  constructor(settings: SimSettings, engine: Engine, card: Card, plan: MemoryPlan, log: Log) {
    this.#settings = settings;
    this.#engine = engine;
    this.#card = card;
    this.#plan = plan;
    this.#log = log;
  }

  /** At least one part of the memory sleeps. */
  get sleeping(): boolean {
    return this.#asleep.size > 0;
  }

  /** Level 1 keeps the weights in main memory, level 2 nowhere. Without `--enable-sleep-mode` no memory is given back. */
  async sleep(level: 1 | 2): Promise<void> {
    if (this.sleeping) return;
    for (const tag of SLEEP_TAGS) this.#asleep.add(tag);
    this.#engine.sleepLevel = level;
    // The cache is gone, whatever becomes of the weights.
    this.#engine.scheduler.pool.forgetAll();
    if (level === 2) this.#engine.garbled = true;
    const seconds = level === 1 ? this.#moving(TO_HOST) : MAP_S;
    await this.#wait(seconds);
    const { freeGib, totalGib } = await this.#hold();
    const freedGib = this.#settings.sleepMode ? this.#plan.weightsGib + this.#plan.kvCacheGib : 0;
    const inUse = (totalGib - freeGib).toFixed(2);
    this.#log.info(
      'EngineCore',
      'gpu_worker.py:180',
      `Sleep mode freed ${freedGib.toFixed(2)} GiB memory, ${inUse} GiB memory is still in use.`,
    );
    this.#log.info('EngineCore', 'abstract.py:309', `It took ${seconds.toFixed(6)} seconds to fall asleep.`);
  }

  /** Takes the memory of these parts again. When all parts are awake the engine goes on. Throws WakeFailure where another process has the memory. */
  async wake(tags: readonly SleepTag[]): Promise<void> {
    const woken = tags.filter((tag) => this.#asleep.delete(tag));
    if (woken.length === 0) return;
    const { granted } = await this.#hold();
    if (!granted) {
      for (const tag of woken) this.#asleep.add(tag);
      const words = 'CUDA Error: out of memory at /workspace/csrc/cumem_allocator.cpp:139';
      this.#log.stderr('EngineCore', words);
      this.#log.error('EngineCore', 'core.py:760', 'Invocation of wake_up method failed');
      this.#log.error('EngineCore', 'core.py:760', `Traceback (most recent call last):\nRuntimeError: ${words}`);
      throw new WakeFailure(words);
    }
    const seconds = woken.includes('weights') && this.#engine.sleepLevel === 1 ? this.#moving(FROM_HOST) : MAP_S;
    await this.#wait(seconds);
    const names = woken.map((tag) => `'${tag}'`).join(', ');
    this.#log.info('EngineCore', 'abstract.py:331', `It took ${seconds.toFixed(6)} seconds to wake up tags {${names}}.`);
    if (!this.sleeping) this.#engine.sleepLevel = 0;
  }

  /** Reads the weights from the disk again, which level 2 needs before its tokens mean anything. */
  async reloadWeights(): Promise<void> {
    const seconds = this.#moving(FROM_DISK);
    await this.#wait(seconds);
    this.#engine.garbled = false;
    this.#log.info('EngineCore', 'default_loader.py:314', `Loading weights took ${seconds.toFixed(2)} seconds`);
  }

  #hold(): ReturnType<Card['hold']> {
    const { heldGib, weightsGib, kvCacheGib } = this.#plan;
    if (!this.#settings.sleepMode) return this.#card.hold(heldGib);
    const givenUp = (this.#asleep.has('weights') ? weightsGib : 0) + (this.#asleep.has('kv_cache') ? kvCacheGib : 0);
    return this.#card.hold(heldGib - givenUp);
  }

  #moving(way: { readonly fixedS: number; readonly gibPerS: number }): number {
    return way.fixedS + this.#plan.weightsGib / way.gibPerS;
  }

  #wait(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, seconds * 1000 * this.#settings.speed);
    });
  }
}
