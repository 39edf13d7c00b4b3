import { withoutSecrets } from '../../core/secrets/text.ts';
import { cleanText, shownUrl } from './free-text.ts';
import { KnownTexts, type PrivateText } from './known-texts.ts';
import { type Kind, StandIns } from './stand-ins.ts';

/** Shorter ones, and numbers, stand in what is no secret. */
const SURE = /^(?!\d+$).{8,}$/s;

/** What all of a bundle passes through: the same text has the same stand-in all through it. */
export class Veil {
  readonly #known = new KnownTexts();
  readonly #secrets = new KnownTexts();
  readonly #standIns: StandIns;

  /** `mark`: see StandIns. */
  private constructor(mark: string) {
    this.#standIns = new StandIns(mark);
  }

  /** `rest`: where there are many of them, others have their turn meanwhile. */
  static async over(known: Iterable<PrivateText>, rest: () => Promise<void> | undefined, mark = ''): Promise<Veil> {
    const veil = new Veil(mark);
    for (const each of known) {
      veil.#known.add(each);
      if (each.kind === 'secret' && SURE.test(each.text)) veil.#secrets.add(each);
      await rest();
    }
    return veil;
  }

  standIn(kind: Kind, text: string): string {
    return this.#standIns.of(kind, text);
  }

  /** A text of ours, or of somebody who writes no words of clients. */
  text(text: string): string {
    return cleanText(text, this.#known, this.#standIns);
  }

  /** A text of an engine, which may quote what it was sent. */
  foreign(text: string): string {
    return cleanText(text, this.#known, this.#standIns, 'hide');
  }

  /** A name that operators give: it is long, and of digits and letters, without being a secret. */
  name(text: string): string {
    return withoutSecrets(this.#known.replace(text, (kind, found) => this.standIn(kind, found)));
  }

  /** A URL, of which what is on this machine is no secret. */
  place(url: string): string {
    return shownUrl(this.word(url), (kind, text) => this.standIn(kind, text));
  }

  /** A word out of a list of ours: names that clients have are no names there. */
  word(text: string): string {
    return this.#secrets.replace(text, (kind, found) => this.standIn(kind, found));
  }

  /** JSON that is finished: no known secret is in it, whatever went wrong before. It stays JSON. */
  last(json: string): string {
    const shown = this.word(json);
    if (shown === json) return json;
    try {
      JSON.parse(shown);
      return shown;
    } catch {
      return JSON.stringify('(left out: a secret stood in it)');
    }
  }
}
