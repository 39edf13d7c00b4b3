import { isObject } from '../../core/json/json.ts';
import { PlainEvents } from './plain-event.ts';
import { dataOf, type Identity, type Said, type Seam } from './said.ts';

/** What an event of one worker's stream becomes for the client; null: nothing. */
export type EventRewriter = (event: string) => string | null;

/** In the JSON of an event, where quotes within texts are escaped, nothing else looks like this. */
const TOKEN_IDS = /("(?:prompt_)?token_ids"\s*:\s*)\[[^\]]*\]/g;
/** What says nothing of the answer: comments, the end, an error that ends it anyway. */
const ASIDE = /^(?::|data: \[DONE\]|data: \{"error"|\s*$)/;

/** Of the first worker: as it came, without the token ids that the client did not ask for. */
export function firstLeg(said: Said): EventRewriter {
  const plain = new PlainEvents(said.kind);
  return (event) => {
    const known = plain.read(event);
    if (known !== null && said.notePlain(known)) return known.rest;
    if (ASIDE.test(event)) return event;
    const data = dataOf(event);
    // Whatever is not understood may be some of the answer, and none of it is to come twice.
    if (data === null) said.noteUnreadable();
    else if (!said.note(data)) return null;
    return event.replace(TOKEN_IDS, '$1null');
  };
}

/** Of a later worker: under the names of the first, without a second beginning, and with what came before counted in. */
export function laterLeg(said: Said, identity: Identity, seam: Seam): EventRewriter {
  let { overlap } = seam;
  return (event) => {
    if (ASIDE.test(event)) return event;
    const data = dataOf(event);
    if (data === null) {
      said.noteUnreadable();
      return event.replace(TOKEN_IDS, '$1null');
    }
    const choice = Array.isArray(data['choices']) ? (data['choices'] as unknown[])[0] : null;
    const delta = isObject(choice) && isObject(choice['delta']) ? choice['delta'] : null;
    const isBeginning = delta?.['role'] != null;
    if (delta !== null) {
      delete delta['role'];
      if (typeof delta['content'] === 'string') {
        const told = delta['content'];
        const at = commonStart(told, overlap);
        delta['content'] = told.slice(at);
        overlap = at === told.length ? overlap.slice(at) : '';
      }
    }
    const says = said.note(data);
    if (isObject(choice)) withoutIds(choice);
    if (!says || (isBeginning && isEmpty(delta) && (choice as Record<string, unknown>)['finish_reason'] == null)) return null;
    withoutIds(data);
    correctUsage(data['usage'], said.promptTokens, seam.tokens);
    return `data: ${JSON.stringify(Object.assign(data, identity))}\n\n`;
  };
}

/** How many characters both begin with. */
function commonStart(one: string, other: string): number {
  let at = 0;
  while (at < one.length && at < other.length && one[at] === other[at]) at++;
  return at;
}

function isEmpty(delta: Record<string, unknown> | null): boolean {
  return delta === null || Object.values(delta).every((item) => item === '' || item === null);
}

function withoutIds(part: Record<string, unknown>): void {
  for (const name of ['token_ids', 'prompt_token_ids']) if (name in part) part[name] = null;
}

/** The prompt once, and all tokens of the answer. */
function correctUsage(usage: unknown, promptTokens: number, before: number): void {
  if (!isObject(usage) || typeof usage['completion_tokens'] !== 'number') return;
  usage['prompt_tokens'] = promptTokens;
  usage['completion_tokens'] += before;
  usage['total_tokens'] = promptTokens + (usage['completion_tokens'] as number);
  const details = usage['prompt_tokens_details'];
  if (isObject(details) && typeof details['cached_tokens'] === 'number') {
    details['cached_tokens'] = Math.min(details['cached_tokens'], promptTokens);
  }
}
