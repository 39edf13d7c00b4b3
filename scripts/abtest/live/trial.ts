import { askServer, type NoAnswer, type ServerAnswer } from '../../load/calls/ask-server.ts';
import type { AdminDoor } from '../../load/place.ts';

/** Settings tried on a gateway that serves, one set after another, by one owner. Others are kept out meanwhile. */
export class Trial {
  readonly owner: string;
  readonly #door: AdminDoor;
  #holdsUntil = 0;

  constructor(door: AdminDoor, owner: string) {
    this.#door = door;
    this.owner = owner;
  }

  /** Lays these over the gateway's settings, in place of those laid before; they end by themselves after so many seconds. @throws Error in words */
  async lay(settings: Readonly<Record<string, unknown>>, seconds: number): Promise<void> {
    // Also of an order whose answer is lost it may hold.
    this.#holdsUntil = performance.now() + seconds * 1000;
    const { status, body } = await this.#post({ owner: this.owner, settings, seconds });
    if (status !== 202) throw new Error(refusalText(this.#door, status, body));
  }

  /** Gives the gateway its own settings back, once. @returns what is left behind, in words; null: nothing. Never throws */
  async end(): Promise<string | null> {
    const leftMs = this.#holdsUntil - performance.now();
    this.#holdsUntil = 0;
    if (leftMs <= 0) return null;
    try {
      const { status } = await this.#post({ owner: this.owner, end: true });
      if (status === 202) return null;
    } catch {
      // It may be gone, with all that was tried on it.
    }
    return `the trial of ${this.owner} could not be ended; it ends by itself within ${Math.ceil(leftMs / 1000)} s`;
  }

  async #post(order: object): Promise<ServerAnswer> {
    return await askAdmin(this.#door, '/admin/trial', order);
  }
}

/** One question to the operator's side. @throws Error in words, where nothing answers */
export async function askAdmin({ base, key }: AdminDoor, path: string, order: object | null = null): Promise<ServerAnswer> {
  return await askServer(base + path, { key, order }).catch((error: unknown) => {
    throw new Error(`the gateway on ${base} does not answer any more (${(error as NoAnswer).code})`);
  });
}

function refusalText({ base, key }: AdminDoor, status: number, body: unknown): string {
  if (status === 401 || status === 403) {
    const what = key === null ? 'asks for its admin key, and none was found' : 'has another admin key';
    return `${base} ${what}: run this in the folder of the gateway with its --config, or give its key: --admin-key KEY`;
  }
  const message = (body as { readonly error?: { readonly message?: unknown } } | null)?.error?.message;
  if (typeof message === 'string' && (status === 409 || status === 400)) return message.replace(/\.$/, '');
  return `${base} answers POST /admin/trial with status ${status}: settings can be compared on a Headgate that has it, elsewhere --urls or --models`;
}
