/** Requests of a connection whose second answers are known as such: each surplus answer puts all later ones back by one. */
const REMEMBERED = 8;
/** Within this an answer's body names the request that it answers, where it does: vLLM makes the completion's id of ours. */
const NAMED_WITHIN_BYTES = 256;
/** After so many answers in a row that name no request, a worker is taken for one that names none, and only now and then looked at again. */
const UNNAMED = 16;

/** Whose answer it is that comes over a connection, as far as answers say so: by `x-request-id` in the head, or by the id in the body. */
export class Addressee {
  /** Whether the answer's first bytes may still tell: only on a connection that was used before, and where its head did not. */
  undecided = false;
  #asked = '';
  /** Where the last answer that named its request did so: the next one most likely does there. */
  #namedAt = 0;
  #unnamed = 0;
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
    // It learns from those that are right, too.
    if (isAnothers(id, this.#asked)) return true;
    if (id !== this.#asked) return this.#before.includes(id);
    this.undecided = false;
    return false;
  }

  /** Looked at once. @returns whether the answer whose body begins so is another's */
  isAnothersBody(body: Buffer): boolean {
    this.undecided = false;
    const asked = this.#asked;
    if (this.#namedAt > 0 && body.toString('latin1', this.#namedAt, this.#namedAt + asked.length) === asked) return false;
    if (this.#unnamed >= UNNAMED && this.#unnamed++ % UNNAMED !== 0) return false;
    const start = body.toString('latin1', 0, NAMED_WITHIN_BYTES);
    const at = start.indexOf(asked);
    if (at >= 0) {
      this.#namedAt = at;
      this.#unnamed = 0;
      return false;
    }
    for (const id of this.#before) if (start.includes(id)) return true;
    this.#unnamed++;
    return false;
  }
}
