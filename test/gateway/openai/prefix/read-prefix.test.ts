import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPrefix } from '../../../../gateway/openai/prefix/read-prefix.ts';

const CHAT = '/v1/chat/completions';
type Body = Readonly<Record<string, unknown>>;
const blocksOf = (body: Body, path = CHAT, model = 'm'): readonly number[] => readPrefix(body, path, model, false)?.blocks ?? [];
/** How many blocks two bodies have in common from the first on. */
function shared(a: readonly number[], b: readonly number[]): number {
  let count = 0;
  while (count < a.length && a[count] === b[count]) count++;
  return count;
}
const user = (content: unknown): object => ({ role: 'user', content });
const text = (letter: string, length: number): string => letter.repeat(length);

describe('the blocks of a prompt', () => {
  test('are of 256 bytes, and only full ones are named', () => {
    expect(readPrefix({ messages: [user(text('a', 230))] }, CHAT, 'm', false)).toBeNull();
    const { size } = readPrefix({ messages: [user(text('a', 600))] }, CHAT, 'm', false)!;
    // With what tells one role and model from another.
    expect(size).toBeGreaterThanOrEqual(600 / 256);
    expect(size).toBeLessThan(660 / 256);
    expect(blocksOf({ messages: [user(text('a', 600))] })).toHaveLength(2);
  });

  test('are each named by all that comes before, so that equal pieces behind different beginnings differ', () => {
    const one = blocksOf({ prompt: text('a', 256) + text('c', 256) }, '/v1/completions');
    const other = blocksOf({ prompt: text('b', 256) + text('c', 256) }, '/v1/completions');
    expect(new Set([...one, ...other]).size).toBe(4);
  });

  test('of a conversation that goes on begin with those of what was before', () => {
    const turn = [{ role: 'system', content: text('s', 700) }, user(text('u', 300))];
    const next = [...turn, { role: 'assistant', content: text('a', 90) }, user('and then?')];
    const before = blocksOf({ messages: turn });
    expect(before).toHaveLength(3);
    expect(blocksOf({ messages: next }).slice(0, 3)).toEqual(before);
  });

  test('are the same for a text and for a list of texts, whatever else the body asks and in whatever order', () => {
    const plain = blocksOf({ messages: [user(text('a', 600))], temperature: 1 });
    const parts = [
      { type: 'text', text: text('a', 200) },
      { type: 'text', text: text('a', 400), cache_control: { type: 'ephemeral' } },
    ];
    expect(blocksOf({ stream: true, max_tokens: 5, messages: [{ content: parts, role: 'user' }] })).toEqual(plain);
  });

  test('are as many as two texts begin alike, whatever follows', () => {
    const letter = fc.constantFrom('a', 'b', 'é', '字', '\u{1F600}');
    fc.assert(
      fc.property(
        fc.array(letter, { maxLength: 900 }),
        fc.array(letter, { maxLength: 600 }),
        fc.array(letter, { maxLength: 600 }),
        (head, x, y) => {
          const [one, two] = [[...head, ...x].join(''), [...head, ...y].join('')];
          const [a, b] = [one, two].map((said) => Buffer.from(`\u0001m\u0002\u0001user\u0002${said}`)) as [Buffer, Buffer];
          let same = 0;
          while (same < a.length && a[same] === b[same]) same++;
          const expected = Math.min(Math.floor(same / 256), Math.floor(a.length / 256), Math.floor(b.length / 256));
          expect(shared(blocksOf({ messages: [user(one)] }), blocksOf({ messages: [user(two)] }))).toBe(expected);
        },
      ),
    );
  });
});

describe('what must not be mixed', () => {
  const body = { messages: [user(text('a', 600))] };
  const others: (readonly [what: string, body: Body])[] = [
    ['another salt', { ...body, cache_salt: 'x' }],
    ['another template', { ...body, chat_template_kwargs: { enable_thinking: false } }],
    ['tools before it', { ...body, tools: [{ type: 'function', function: { name: 'look', description: text('d', 300) } }] }],
    ['another role', { messages: [{ role: 'system', content: text('a', 600) }] }],
    [
      'a picture before it',
      {
        messages: [
          user([
            { type: 'image_url', image_url: { url: `data:image/png;base64,${text('A', 5_000)}` } },
            { type: 'text', text: text('a', 600) },
          ]),
        ],
      },
    ],
  ];
  test.each(others)('%s', (_, other) => {
    expect(shared(blocksOf(body), blocksOf(other))).toBe(0);
  });

  test('another model, or an adapter, which is one', () => {
    expect(shared(blocksOf(body), blocksOf(body, CHAT, 'm-lora'))).toBe(0);
  });

  test('pictures that differ anywhere in their middle', () => {
    const picture = (fill: string): Body => ({
      messages: [
        user([
          { type: 'image_url', image_url: { url: `data:image/png;base64,${text('A', 9_000)}${fill}${text('A', 9_000)}` } },
          { type: 'text', text: text('a', 600) },
        ]),
      ],
    });
    expect(blocksOf(picture(text('B', 500)))).toEqual(blocksOf(picture(text('B', 500))));
    const [one, two] = [blocksOf(picture(text('B', 500))), blocksOf(picture(text('C', 500)))];
    expect(shared(one, two)).toBeLessThan(one.length - 2);
  });
});

describe('other routes', () => {
  test('Anthropic has its system beside the messages; the line for billing, which changes with every call, is passed over', () => {
    const ask = (line: string): Body => ({
      system: [
        { type: 'text', text: `x-anthropic-billing-header: ${line}` },
        { type: 'text', text: text('s', 600) },
      ],
      messages: [user('hi')],
    });
    expect(blocksOf(ask('one'), '/v1/messages')).toHaveLength(2);
    expect(blocksOf(ask('one'), '/v1/messages')).toEqual(blocksOf(ask('two'), '/v1/messages'));
  });

  test('responses have instructions and an input, which may be a text or messages', () => {
    const of = (input: unknown): readonly number[] => blocksOf({ instructions: text('i', 300), input }, '/v1/responses');
    expect(of(text('u', 300))).toHaveLength(2);
    expect(of([{ role: 'user', content: [{ type: 'input_text', text: text('u', 300) }] }])).toEqual(of(text('u', 300)));
  });

  test('completions have a text, token ids, or several of either, of which the first counts', () => {
    const ids = Array.from({ length: 128 }, (_, i) => 70_000 + i);
    const of = (prompt: unknown): readonly number[] => blocksOf({ prompt }, '/v1/completions');
    expect(of(ids)).toHaveLength(2);
    expect(of([ids, [1]])).toEqual(of(ids));
    expect(of([...ids.slice(0, -1), 4_464])).not.toEqual(of(ids));
    expect(of([text('a', 300), 'b'])).toEqual(of(text('a', 300)));
  });

  test('what keeps nothing to come back for has none: embeddings, and prompts whose log-probabilities are asked for', () => {
    expect(blocksOf({ input: text('a', 600) }, '/v1/embeddings')).toEqual([]);
    expect(readPrefix({ messages: [user(text('a', 600))] }, CHAT, 'm', true)).toBeNull();
  });
});

test('whatever a body holds is read without an error, and the same body always the same', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 6 }),
      fc.jsonValue(),
      fc.constantFrom(CHAT, '/v1/messages', '/v1/responses', '/v1/completions'),
      (one, two, path) => {
        for (const body of [
          { messages: one, prompt: one, input: one, system: two, tools: two, instructions: two, documents: two },
          { messages: [one, two], input: [two, one] },
        ]) {
          expect(blocksOf(body, path)).toEqual(blocksOf(structuredClone(body), path));
        }
      },
    ),
  );
});

test('of a prompt without end the first megabyte counts', () => {
  expect(blocksOf({ messages: [user(text('a', 3_000_000))] })).toHaveLength(4_096);
  expect(readPrefix({ messages: [user(text('a', 3_000_000))] }, CHAT, 'm', false)!.size).toBeCloseTo(3_000_000 / 256, -1);
});
