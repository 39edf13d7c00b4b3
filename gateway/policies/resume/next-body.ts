import { withFieldAtEnd } from '../../openai/field-at-end.ts';
import { isObject, parsed } from '../../core/json/json.ts';
import type { ResumableRequest } from './resumable-request.ts';
import type { Said, Seam } from './said.ts';

// Fields are added at the end, where the later of two counts, so that the rest of a body stays what its client wrote.

/** What the first worker is sent: a stream that tells its token ids. */
export function firstBody(body: Buffer): Buffer {
  return withFieldAtEnd(body, '"return_token_ids":true');
}

/** What the next one is sent, which goes on from `seam`. `body`: what the first one was to get, without its token ids. */
export function nextBody(body: Buffer, request: ResumableRequest, said: Said, seam: Seam): Buffer {
  const asking = firstBody(body);
  // Nothing that counts has come of it: it begins anew.
  if (seam.tokens === 0 && said.text.length === seam.overlap.length) return asking;
  const fields = [
    ...(request.kind === 'completion' ? promptFields(said, seam) : messageFields(body, said, seam)),
    ...Object.entries(request.limits).map(([name, most]) => `"${name}":${Math.max(1, most - seam.tokens)}`),
    ...(request.minTokens > 0 ? [`"min_tokens":${Math.max(0, request.minTokens - seam.tokens)}`] : []),
    ...(request.cutsPrompt && request.kind === 'completion' ? ['"truncate_prompt_tokens":null'] : []),
  ];
  return withFieldAtEnd(asking, fields.join(','));
}

/** The same tokens, and so the same continuation. */
function promptFields({ promptIds, ids }: Said, { tokens }: Seam): string[] {
  const all = [promptIds, ...ids.slice(0, tokens)].filter((part) => part !== '');
  return [`"prompt":[${all.join(',')}]`];
}

/** The answer's text as a message that is not finished. White space at its end is left for the model: templates cut it off. */
function messageFields(body: Buffer, { text }: Said, { overlap }: Seam): string[] {
  const value = parsed(body.toString('utf8'));
  const messages = isObject(value) && Array.isArray(value['messages']) ? (value['messages'] as unknown[]) : [];
  const content = text.slice(0, text.length - overlap.length);
  const all = [...messages, { role: 'assistant', content }];
  return [`"messages":${JSON.stringify(all)}`, '"continue_final_message":true', '"add_generation_prompt":false'];
}
