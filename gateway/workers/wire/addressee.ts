/** Requests of a connection whose second answers are known as such: each surplus answer puts all later ones back by one. */
const REMEMBERED = 2;
/** Within this an answer's body names the request that it answers, where it does: vLLM makes the completion's id of ours. */
const NAMED_WITHIN_BYTES = 256;

/** Whose answer it is that comes over a connection, as far as answers say so: by `x-request-id` in the head, or by the id in the body. */
export class Addressee {
  /** Whether the answer's first bytes may still tell: only on a connection that was used before, and where its head did not. */
  undecided = false;
  #asked = '';
  /** The requests before it, of which a second answer may come late. */
  readonly #before: string[] = [];

  /** A request is sent. `id`: its x-request-id; '' where it has none */
  expect(id: string): void {
    if (this.#asked !== '') this.#before.push(this.#asked);
    if (this.#before.length > REMEMBERED) this.#before.shift();
    this.#asked = id;
    this.undecided = this.#before.length > 0;
  }

  /** `isAnothers` is asked what an id that is not known here means. @returns whether the answer whose head names `id` is another's */
  isAnothersHead(id: string, isAnothers: (answered: string, asked: string) => boolean): boolean {
    if (id === this.#asked) this.undecided = false;
    return isAnothers(id, this.#asked) || this.#before.includes(id);
  }

  /** Looked at once. @returns whether the answer whose body begins so is another's */
  isAnothersBody(body: Buffer): boolean {
    this.undecided = false;
    const start = body.toString('latin1', 0, NAMED_WITHIN_BYTES);
    if (start.includes(this.#asked)) return false;
    for (const id of this.#before) if (start.includes(id)) return true;
    return false;
  }
}
