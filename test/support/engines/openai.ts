import { asked, DONE, event, json } from './chat.ts';
import type { StubAnswer, StubRequest, StubShapes } from './stub.ts';

// Shapes: test/gateway/engines/recorded/README.md.

export function openaiError(
  message: string,
  status: number,
  code: string | null,
  type = 'invalid_request_error',
  param: string | null = null,
): StubAnswer {
  return { status, body: JSON.stringify({ error: { message, type, param, code } }, null, 2) };
}

const USAGE = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9, prompt_tokens_details: { cached_tokens: 4 } };

/** `spaced`: with the blanks that Python's json.dumps leaves. */
function chatOf(spaced: boolean): (request: StubRequest) => StubAnswer {
  const write = (value: unknown) => (spaced ? `data: ${pythons(value)}\n\n` : event(value));
  return (request) => {
    const { stream, usage } = asked(request);
    const head = {
      id: 'chatcmpl-A1',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      service_tier: 'default',
      system_fingerprint: 'fp_1',
    };
    if (!stream) {
      const choices = [
        { index: 0, message: { role: 'assistant', content: 'Hello', refusal: null }, logprobs: null, finish_reason: 'stop' },
      ];
      return { body: JSON.stringify({ ...head, object: 'chat.completion', choices, usage: USAGE }, null, 2) };
    }
    const delta = (fields: Record<string, unknown>, finish: string | null) =>
      write({ ...head, choices: [{ index: 0, delta: fields, logprobs: null, finish_reason: finish }], ...(usage ? { usage: null } : {}) });
    const tail = usage ? [write({ ...head, choices: [], usage: USAGE })] : [];
    return {
      type: 'text/event-stream; charset=utf-8',
      body: [
        delta({ role: 'assistant', content: '' }, null),
        delta({ content: 'Hel' }, null),
        delta({ content: 'lo' }, null),
        delta({}, 'stop'),
        ...tail,
        DONE,
      ],
    };
  };
}

function pythons(value: unknown): string {
  return JSON.stringify(value, null, 1)
    .replaceAll(/\n */g, ' ')
    .replaceAll(/([[{]) /g, '$1')
    .replaceAll(/ ([\]}])/g, '$1');
}

/** `api`: where its API lies. */
export function openaiShapes({ api = '/v1', spaced = false, models = ['m'] } = {}): StubShapes {
  const data = models.map((id) => ({ id, object: 'model', created: 1, owned_by: 'system' }));
  return {
    kind: 'openai',
    pages: { [`${api}/models`]: json({ object: 'list', data }) },
    calls: { [`${api}/chat/completions`]: chatOf(spaced) },
    unknown: openaiError('Unknown request URL.', 404, 'unknown_url'),
  };
}
