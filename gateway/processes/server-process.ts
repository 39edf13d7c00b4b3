import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Beginning, KeeperWord, ServerWord } from './words.ts';

/** Of what it wrote to standard error last. */
const LAST_WORDS = 2_000;

const OWN = ['ignore', 'inherit', 'pipe', 'ipc'] as const;

interface Heard {
  readonly word: (word: ServerWord) => void;
  readonly exit: (code: number | null, signal: NodeJS.Signals | null) => void;
}

/** One process that serves, from its start to its end. It is in our own process group, and goes by our words alone. */
export class ServerProcess {
  /** No other has had or will have it. */
  readonly number: number;
  readonly index: number;
  readonly #child: ChildProcess;
  #written = '';
  #said: string | null = null;
  isListening = false;
  /** It knows a worker of the default model. */
  isReady = false;
  /** Looks in a row at which it had said nothing since the last. */
  silentLooks = 0;

  /** @param sockets descriptors of sockets of ours that it is to have, in their order */
  constructor(number: number, beginning: Omit<Beginning, 'sockets'>, sockets: Beginning['sockets'], heard: Heard) {
    this.number = number;
    this.index = beginning.index;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const program = fileURLToPath(new URL(`../process.${extension}`, import.meta.url));
    const child = fork(program, [`${beginning.index + 1}/${beginning.count}`], {
      serialization: 'advanced',
      stdio: [...OWN, ...(sockets.api ?? []), ...(sockets.admin ?? [])],
    });
    this.#child = child;
    child.stderr?.on('data', (text: Buffer) => {
      process.stderr.write(text);
      this.#written = (this.#written + text.toString('utf8')).slice(-LAST_WORDS);
    });
    child.on('message', (word) => heard.word(word as ServerWord));
    child.once('error', (error) => {
      this.#said = error.message;
      // One that could not even be started has no end of its own.
      if (child.pid === undefined) heard.exit(null, null);
    });
    child.once('close', heard.exit);
    const first = OWN.length + (sockets.api?.length ?? 0);
    this.tell({ ...beginning, sockets: { api: numbered(sockets.api, OWN.length), admin: numbered(sockets.admin, first) } });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Why it could not serve, or the last line that it wrote to standard error; null: it said nothing. */
  get lastWords(): string | null {
    return this.#said ?? lastWordsIn(this.#written);
  }

  set lastWords(said: string) {
    this.#said = said;
  }

  tell(word: KeeperWord): void {
    if (this.#child.connected) this.#child.send(word, () => {});
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** As many descriptors as these, as the child has them. */
function numbered(sockets: readonly number[] | null, from: number): readonly number[] | null {
  return sockets && sockets.map((_, at) => from + at);
}

/** What matters of the text that a dying Node leaves: the line that names the error, above its stack, or else the last; null: nothing. */
export function lastWordsIn(text: string): string | null {
  const lines = text.split('\n').map((line) => line.trim());
  const error = lines.findLast((line) => /^(?:FATAL ERROR\b|(?:Uncaught )?[A-Z]\w*(?:Error|Exception)\b)/.test(line));
  return error ?? lines.findLast((line) => line !== '') ?? null;
}
