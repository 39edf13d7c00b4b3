import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ServedSim } from '../../support/sim.ts';
import { serveInside } from '../../support/sim-inside.ts';
import { absentNote, recorded } from '../../gateway/openai/recordings.ts';

const MODEL = 'sim-1B';
let sim: ServedSim;
beforeAll(async () => {
  sim = await serveInside({ model: MODEL, args: ['--max-model-len', '4096'] });
});
afterAll(() => sim.stop());

async function post(
  path: string,
  body: object | FormData,
): Promise<{ status: number; type: string; body: Record<string, unknown> & { error?: object } }> {
  const isForm = body instanceof FormData;
  const answer = await fetch(`${sim.url}${path}`, {
    method: 'POST',
    ...(isForm ? {} : { headers: { 'content-type': 'application/json' } }),
    body: isForm ? body : JSON.stringify(body),
  });
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', body: (await answer.json()) as Record<string, unknown> };
}

describe('/v1/responses', () => {
  const recording = (name: string): object => JSON.parse(recorded(`0.32.0/${name}.http`)) as object;

  test.skipIf(absentNote('0.32.0/responses-prev-unknown.http') !== '')(
    `of an answer that is not kept says so as vLLM does${absentNote('0.32.0/responses-prev-unknown.http')}`,
    async () => {
      const answer = await post('/v1/responses', { model: MODEL, input: 'x', previous_response_id: 'resp_nope' });
      expect([answer.status, answer.body]).toEqual([404, recording('responses-prev-unknown')]);
    },
  );

  test.skipIf(absentNote('0.32.0/responses-background.http') !== '')(
    `in the background is refused as vLLM does without a store${absentNote('0.32.0/responses-background.http')}`,
    async () => {
      const answer = await post('/v1/responses', { model: MODEL, input: 'x', background: true });
      expect([answer.status, answer.body]).toEqual([400, recording('responses-background')]);
    },
  );

  test('in the background without being stored is refused for that, and an unknown model before either', async () => {
    const both = await post('/v1/responses', { model: MODEL, input: 'x', background: true, store: false });
    expect([both.status, JSON.stringify(both.body)]).toEqual([400, expect.stringContaining('only be used when `store` is true')]);
    expect((await post('/v1/responses', { model: 'other', input: 'x', previous_response_id: 'resp_nope' })).body.error).toMatchObject({
      param: 'model',
    });
    expect((await post('/v1/responses', { model: MODEL, input: 'x', store: true })).status).toBe(200);
  });
});

describe('/v1/messages', () => {
  const ask = (config: unknown) =>
    post('/v1/messages', { model: MODEL, max_tokens: 200, messages: [{ role: 'user', content: 'Hello' }], output_config: config });

  test('with a schema answers by it', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
    const answer = await ask({ format: { type: 'json_schema', schema } });
    expect(answer.status).toBe(200);
    const [block] = answer.body['content'] as { text: string }[];
    expect(Object.keys(JSON.parse(block!.text) as object)).toEqual(['city']);
  });

  test.each([
    ['a format of another type', { format: { type: 'text' } }],
    ['a format that is no object', { format: 'json_schema' }],
    ['an effort that nobody knows', { effort: 'extreme' }],
    ['what is no object', 'json'],
  ])('with %s is refused', async (_name, config) => {
    expect((await ask(config)).status).toBe(400);
  });
});

describe('a transcription', () => {
  const ask = (fields: Record<string, string>, path = '/v1/audio/transcriptions') => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model: MODEL, ...fields })) form.set(name, value);
    form.set('file', new Blob([Buffer.alloc(64_000)]), 'a.wav');
    return post(path, form);
  };

  test.each(['json', 'text'])('as %s is JSON with text and usage', async (format) => {
    const answer = await ask({ response_format: format });
    expect(answer.type).toBe('application/json');
    expect(answer.body).toEqual({ text: expect.stringContaining('64000 bytes'), usage: { type: 'duration', seconds: 2 } });
  });

  test('as verbose_json has language, duration and segments', async () => {
    const { body } = await ask({ response_format: 'verbose_json', language: 'de' });
    expect(body).toMatchObject({ duration: 2, language: 'de', segments: [{ id: 0, start: 0, end: 2, text: body['text'] }], words: null });
  });

  test.each([
    ['srt', 'Currently only support response_format'],
    ['vtt', 'Currently only support response_format'],
    ['diarized_json', `Currently do not support diarized_json for ${MODEL}`],
    ['xml', "Input should be 'json', 'text', 'srt', 'verbose_json', 'vtt' or 'diarized_json'"],
  ])('as %s is refused in vLLM’s words', async (format, words) => {
    const answer = await ask({ response_format: format });
    expect([answer.status, (answer.body.error as { message: string }).message]).toEqual([400, expect.stringContaining(words)]);
  });

  test('as verbose_json is not streamed', async () => {
    expect((await ask({ response_format: 'verbose_json', stream: 'true' })).status).toBe(400);
  });

  test('into English says nothing of usage', async () => {
    expect(Object.keys((await ask({}, '/v1/audio/translations')).body)).toEqual(['text']);
  });
});
