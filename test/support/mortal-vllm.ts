import { type FakeVllm, type Script, startFakeVllm } from './fake-vllm.ts';
import { reset } from '../../supervisor/sim/request/reset.ts';

// An engine that says one text, token by token, as vLLM 0.32.0 does: it tells token ids where it is asked, goes on from a prompt of ids and
// from a message that is not finished, holds an unfinished character back, and repeats the prompt where one stands at the end of it.

/** The text, a token an item; bytes, since a character may take several tokens. */
const TOKENS: readonly Buffer[] = [
  ...['The', ' river', ' does', ' not', ' hurry', ',', ' yet', '\n', '\n', ' it', ' arrives'].map((text) => Buffer.from(text)),
  ...bytewise(' ñ'),
  ...bytewise('日'),
  Buffer.from(''),
  ...bytewise('本'),
  Buffer.from(' 😀 at'),
  Buffer.from(' "last".'),
];
export const TEXT = Buffer.concat(TOKENS).toString('utf8');
export const TOKEN_COUNT = TOKENS.length;
/** Ids of a prompt of words, and of what is said. */
const PROMPT_IDS = [11, 12, 13];
const FIRST_ID = 100;

function bytewise(text: string): Buffer[] {
  return [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
}

/** How an engine of this kind ends in the middle. */
export type Death = 'reset' | 'engine-death' | 'abort' | 'end';

export interface Mortality {
  /** Events of text after which it dies; Infinity: never. */
  after: number;
  how: Death;
  /** How many are left, for all engines that share this. */
  deaths: { left: number };
  /** Tokens that an event holds. */
  each: number;
}

export interface MortalVllm extends FakeVllm {
  readonly fate: Mortality;
}

export async function startMortalVllm(): Promise<MortalVllm> {
  const fake = await startFakeVllm();
  const fate: Mortality = { after: Infinity, how: 'reset', deaths: { left: Infinity }, each: 1 };
  fake.script = mortal(fate, () => `made-by-${fake.url.slice(-5)}-${fake.requests.length}`);
  return Object.assign(fake, { fate });
}

interface Body {
  readonly prompt?: string | number[];
  readonly messages?: { readonly role: string; readonly content: string }[];
  readonly continue_final_message?: boolean;
  readonly return_token_ids?: boolean;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly stream_options?: { readonly include_usage?: boolean };
}

function mortal(fate: Mortality, newId: () => string): Script {
  return ({ path, body: text }, response) => {
    const body = JSON.parse(text) as Body;
    const isChat = path.includes('chat');
    const begun = isChat ? begunInChat(body) : begunInPrompt(body);
    const promptTokens = PROMPT_IDS.length + begun;
    const most = Math.min(TOKENS.length - begun, body.max_completion_tokens ?? body.max_tokens ?? (isChat ? Infinity : 16));
    const head = `"id":"${newId()}","object":"${isChat ? 'chat.completion.chunk' : 'text_completion'}","created":${Date.now()},"model":"m"`;
    const ids = (list: readonly number[]): string => (body.return_token_ids === true ? JSON.stringify(list) : 'null');
    const promptIds = [...PROMPT_IDS, ...TOKENS.slice(0, begun).map((_, i) => FIRST_ID + i)];
    const events: string[] = [];
    if (isChat)
      events.push(
        `{${head},"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":${ids(promptIds)},"prompt_text":null}`,
      );
    const { each, after, how } = { ...fate };
    const ending = most === TOKENS.length - begun ? 'stop' : 'length';
    let held = Buffer.alloc(0);
    // An unfinished character at the end of a prompt of ids has all of the prompt said again.
    if (!isChat && begun > 0 && isUnfinished(Buffer.concat(TOKENS.slice(0, begun)))) held = Buffer.from('PROMPT');
    for (let at = 0; at < most; at += each) {
      const upTo = Math.min(most, at + each);
      const list = Array.from({ length: upTo - at }, (_, i) => FIRST_ID + begun + at + i);
      held = Buffer.concat([held, ...TOKENS.slice(begun + at, begun + upTo)]);
      const whole = wholeLength(held);
      const said = JSON.stringify(held.subarray(0, whole).toString('utf8'));
      held = held.subarray(whole);
      const finish = upTo === most ? `"${ending}","stop_reason":null` : isChat ? 'null' : 'null,"stop_reason":null';
      const first = isChat ? '' : `"prompt_token_ids":${at === 0 ? ids(promptIds) : 'null'},`;
      const value = isChat ? `"delta":{"content":${said}}` : `"text":${said}`;
      events.push(`{${head},"choices":[{"index":0,${value},"logprobs":null,"finish_reason":${finish},${first}"token_ids":${ids(list)}}]}`);
    }
    if (body.stream_options?.include_usage === true) {
      const usage = `{"prompt_tokens":${promptTokens},"total_tokens":${promptTokens + most},"completion_tokens":${most}}`;
      events.push(`{${head},"choices":[],"usage":${usage},"system_fingerprint":"vllm-0.32.0"}`);
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const write = (at: number): void => {
      if (response.destroyed) return;
      if (at === after && fate.deaths.left-- > 0)
        return die(
          how,
          head,
          () => reset(response.socket),
          (event, then) => response.write(event, then),
          () => response.end(),
        );
      if (at === events.length) return void response.end('data: [DONE]\n\n');
      response.write(`data: ${events[at]}\n\n`, () => setImmediate(write, at + 1));
    };
    write(0);
  };
}

function die(how: Death, head: string, reset: () => void, write: (event: string, then: () => void) => void, end: () => void): void {
  switch (how) {
    case 'reset':
      return reset();
    case 'end':
      return end();
    case 'engine-death':
      return write(
        'data: {"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root cause.", "type": "InternalServerError", "param": null, "code": 500}}\n\n',
        () => write('data: [DONE]\n\n', end),
      );
    case 'abort':
      return write(`data: {${head},"choices":[{"index":0,"delta":{},"text":"","logprobs":null,"finish_reason":"abort"}]}\n\n`, () =>
        write('data: [DONE]\n\n', end),
      );
  }
}

/** How many tokens of the text a prompt of ids holds already. */
function begunInPrompt({ prompt }: Body): number {
  return Array.isArray(prompt) ? prompt.filter((id) => id >= FIRST_ID).length : 0;
}

/** How many a message that is to be gone on from holds; a template cuts white space off at its end. */
function begunInChat({ messages = [], continue_final_message: goesOn }: Body): number {
  if (goesOn !== true) return 0;
  const content = messages.at(-1)!.content.trimEnd();
  const bytes = Buffer.byteLength(content);
  let [tokens, length] = [0, 0];
  while (length < bytes) length += TOKENS[tokens++]!.length;
  if (length !== bytes || !TEXT.startsWith(content)) throw new Error(`no message to go on from: ${JSON.stringify(content)}`);
  return tokens;
}

function isUnfinished(bytes: Buffer): boolean {
  return wholeLength(bytes) < bytes.length;
}

/** How many of the bytes are whole characters. */
function wholeLength(bytes: Buffer): number {
  for (let cut = bytes.length; cut > Math.max(0, bytes.length - 4); cut--) {
    if (!bytes.subarray(0, cut).toString('utf8').endsWith('�')) return cut;
  }
  return 0;
}
