import { expect, test } from 'vitest';
import { Ending } from '../../../gateway/core/reply.ts';
import { jsonReply } from '../../support/json-reply.ts';

test('an ending settles once: the first outcome stands, the second is told that it came late', async () => {
  const ending = new Ending();
  expect(ending.settled).toBe(false);
  expect(ending.settle({ kind: 'complete', status: 200 })).toBe(true);
  expect(ending.settle({ kind: 'disconnected', phase: 'stream' })).toBe(false);
  expect(await ending.promise).toEqual({ kind: 'complete', status: 200 });
  expect(ending.settled).toBe(true);
});

test('whoever asked hears of an ending at once, in order, and one that throws keeps it from nobody', async () => {
  const ending = new Ending();
  const heard: string[] = [];
  const fault = new Error('not this one');
  const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve));
  ending.onSettled(({ kind }) => heard.push(`first ${kind}`));
  ending.onSettled(() => {
    throw fault;
  });
  ending.onSettled(({ kind }) => heard.push(`last ${kind}`));
  ending.settle({ kind: 'complete', status: 200 });
  ending.onSettled(({ kind }) => heard.push(`late ${kind}`));
  expect(heard).toEqual(['first complete', 'last complete', 'late complete']);
  expect(await unhandled).toBe(fault);
});

test('a JSON reply has its type, its headers, an ending of its own, and is complete when delivered', () => {
  const reply = jsonReply(202, { ok: true }, { location: '/x' });
  expect(reply).toMatchObject({
    status: 202,
    headers: { 'content-type': 'application/json', location: '/x' },
    body: { kind: 'bytes', bytes: '{"ok":true}' },
    relayed: false,
  });
  expect(reply.outcome()).toEqual({ kind: 'complete', status: 202 });
  expect(jsonReply(200, {}).ended).not.toBe(jsonReply(200, {}).ended);
});
