import { describe, expect, test } from 'vitest';
import { firstLeg, laterLeg } from '../../../../gateway/policies/resume/leg-events.ts';
import { Said } from '../../../../gateway/policies/resume/said.ts';
import { delta, DONE, piece } from './resume-scene.ts';

const FIRST = piece(' a', [7], { first: true });
const SECOND = piece(' b', [8]);
const IDENTITY = { id: 'cmpl-first', created: 1, model: 'first' };

/** The same event as others write it: a proxy, or another engine. */
const AS_OTHERS: Readonly<Record<string, (event: string) => string>> = {
  'without a blank': (event) => event.replace('data: ', 'data:'),
  'with blanks': (event) => event.replaceAll('":', '": ').replaceAll(',"', ', "'),
  'in another order': (event) => event.replace('{"id":"cmpl-1",', '{').replace('}\n\n', ',"id":"cmpl-1"}\n\n'),
};
/** These are not understood. */
const STRANGE: Readonly<Record<string, (event: string) => string>> = {
  'with a name': (event) => `event: message\n${event}`,
  'with an id': (event) => `id: 1\n${event}`,
  'cut off': (event) => event.replace(/\}\n\n$/, '\n\n'),
};

describe('of a first worker', () => {
  test.each(Object.entries(AS_OTHERS))('events %s count as well, and the ids that nobody asked for are taken out', (_, written) => {
    const said = new Said('completion');
    const rewrite = firstLeg(said);
    const events = [FIRST, SECOND].map((event) => rewrite(written(event))!);
    expect(said.seam()).toEqual({ tokens: 2, overlap: '' });
    expect(said.ids).toEqual([7, 8]);
    for (const event of events) expect(event).not.toMatch(/token_ids"\s*:\s*\[/);
  });

  test.each(Object.entries(STRANGE))('events %s are not gone on from, and lose nothing', (_, written) => {
    const said = new Said('completion');
    const rewrite = firstLeg(said);
    rewrite(FIRST);
    expect(rewrite(written(SECOND))).toContain('"text":" b"');
    expect(rewrite(written(SECOND))).not.toMatch(/token_ids":\[/);
    expect(said.seam()).toBe('unreadable');
  });

  test.each([': ping\n\n', DONE, 'data: {"error":{"message":"no"}}\n\n'])('%j is no part of the answer', (event) => {
    const said = new Said('completion');
    const rewrite = firstLeg(said);
    rewrite(FIRST);
    expect(rewrite(event)).toBe(event);
    expect(said.seam()).toEqual({ tokens: 1, overlap: '' });
  });
});

describe('of a later worker', () => {
  const later = () => {
    const said = new Said('completion');
    firstLeg(said)(FIRST);
    return { said, rewrite: laterLeg(said, IDENTITY, { tokens: 1, overlap: '' }) };
  };

  test.each(Object.entries(AS_OTHERS))('events %s go under the names of the first', (_, written) => {
    const event = later().rewrite(written(SECOND))!;
    expect(JSON.parse(event.slice('data: '.length))).toMatchObject({ ...IDENTITY, choices: [{ text: ' b', token_ids: null }] });
  });

  test.each(Object.entries(STRANGE))('events %s are passed on: no text is lost', (_, written) => {
    const { said, rewrite } = later();
    expect(rewrite(written(SECOND))).toContain('"text":" b"');
    expect(said.seam()).toBe('unreadable');
  });

  test('a second role does not come', () => {
    const said = new Said('chat');
    firstLeg(said)(delta({ role: 'assistant', content: '' }, null, { first: true }));
    const rewrite = laterLeg(said, IDENTITY, { tokens: 0, overlap: '' });
    for (const written of Object.values(AS_OTHERS)) expect(rewrite(written(delta({ role: 'assistant', content: '' }, null)))).toBeNull();
  });
});
