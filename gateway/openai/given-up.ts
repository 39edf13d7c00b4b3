import { isObject, parsed } from '../core/json/json.ts';

/**
 * Whether a whole answer says that its engine gave it up: text that was cut off must not pass for the answer. Only the fields of the answer
 * itself count, whatever a client has had echoed in it; a look at the bytes tells in nearly all cases that there is nothing to parse.
 */

/** As bytes: a text to look for is made into such at every look. */
const ABORT = Buffer.from('"abort"');

/** `choices` of a chat or a completion: any of them. */
export function isCompletionGivenUp(body: Buffer): boolean {
  return body.includes(ABORT) && hasAbortedChoice(parsed(body.toString('utf8')));
}

/** A message has a reason to stop unless it was given up. */
export function isMessageGivenUp(body: Buffer): boolean {
  if (!body.includes('"stop_reason":null') && !body.includes('"stop_reason": null')) return false;
  const message = parsed(body.toString('utf8'));
  return isObject(message) && message['stop_reason'] === null;
}

/** A response of `/v1/responses`. */
export function isResponseGivenUp(body: Buffer): boolean {
  return mayBeGivenUp(body) && isUnfinished(parsed(body.toString('utf8')));
}

/** Whether a response, or what holds it, is worth a parse. */
export function mayBeGivenUp(text: Buffer | string): boolean {
  return SIGNS.some((sign) => text.includes(sign));
}

const SIGNS = ['"cancelled"', '"failed"', '"output_tokens":0', '"output_tokens": 0'];

/**
 * vLLM says so by its status for models of the harmony format, and by an answer of no token at all for the others: of these it calls one
 * that was cut off later complete.
 */
export function isUnfinished(response: unknown): boolean {
  if (!isObject(response)) return false;
  const { status, usage, output } = response;
  if (status === 'cancelled' || status === 'failed') return true;
  const isEmpty = isObject(usage) && usage['output_tokens'] === 0 && Array.isArray(output) && !output.some(saysSomething);
  return status === 'completed' && isEmpty;
}

export function hasAbortedChoice(answer: unknown): boolean {
  return finishReasonsIn(answer).includes('abort');
}

/** The finish reason of each choice that has one. */
export function finishReasonsIn(answer: unknown): readonly string[] {
  if (!isObject(answer) || !Array.isArray(answer['choices'])) return [];
  return (answer['choices'] as unknown[]).flatMap((choice) => {
    const reason = isObject(choice) ? choice['finish_reason'] : null;
    return typeof reason === 'string' ? [reason] : [];
  });
}

function saysSomething(item: unknown): boolean {
  if (!isObject(item) || item['type'] !== 'message' || !Array.isArray(item['content'])) return true;
  return (item['content'] as unknown[]).some((part) => !isObject(part) || part['text'] !== '');
}
