import { afterEach, describe, expect, test } from 'vitest';
import { connectRaw, type RawAnswer, type RawClient } from '../../support/raw-client.ts';
import { CHAT, expectRefusal, frontDoor, request, SECRET } from './front-door.ts';

const door = frontDoor();
afterEach(() => {
  door.worker.requests.length = 0;
});

function message(answer: RawAnswer): string {
  return JSON.parse(answer.body).error.message;
}

describe('bodies that are not JSON', () => {
  test.each([
    ['nothing', ''],
    ['a space', ' '],
    ['a word', SECRET],
    ['half an object', `{"model":"m","messages":[{"role":"user","content":"${SECRET}`],
    ['NaN', `{"model":"m","x":NaN,"p":"${SECRET}"}`],
    ['Infinity', `{"model":"m","x":-Infinity}`],
    ['a trailing comma', `{"model":"m","p":"${SECRET}",}`],
    ['a comment', `{"model":"m"/*${SECRET}*/}`],
    ['single quotes', "{'model':'m'}"],
    ['two objects', '{"model":"m"}{"model":"m"}'],
    ['a raw line break in a string', `{"model":"m\n${SECRET}"}`],
    ['a bad escape', String.raw`{"model":"\x41"}`],
    ['a form', `model=m&prompt=${SECRET}`],
    ['a number with a leading zero', '{"seed":007}'],
    ['only a byte order mark', '\ufeff'],
  ])('case 23: %s', async (_name, body) => {
    expectRefusal(await door.chat(body), 'invalid_json');
    expect(door.worker.requests).toEqual([]);
  });

  test('case 23: the answer says where the JSON breaks, and nothing of what is there', async () => {
    const answer = await door.chat(`{"model":"m","p":"${SECRET}",}`);
    expect(message(answer)).toMatch(/at character 37/);
  });

  test.each([
    ['null', 'null'],
    ['an array', '[{"model":"m"}]'],
    ['a string', `"${SECRET}"`],
    ['a number', '1'],
    ['true', 'true'],
  ])('case 24: %s is not an object', async (_name, body) => {
    expectRefusal(await door.chat(body), 'invalid_type');
  });

  test.each([
    ['a lone continuation byte', Buffer.from('{"model":"m","x":"\x80"}', 'latin1')],
    ['an overlong slash', Buffer.from('{"model":"m","x":"\xc0\xaf"}', 'latin1')],
    ['an encoded surrogate', Buffer.from('{"model":"m","x":"\xed\xa0\x80"}', 'latin1')],
    ['latin1', Buffer.from('{"model":"m","x":"caf\xe9"}', 'latin1')],
    ['UTF-16', Buffer.from(`\ufeff${CHAT}`, 'utf16le')],
  ])('case 25: %s is not UTF-8', async (_name, body) => {
    expectRefusal(await door.chat(body), 'invalid_utf8');
  });

  test('case 25: a byte order mark is taken off, and nothing else', async () => {
    expect((await door.chat(`\ufeff ${CHAT}`)).status).toBe(200);
    expect(door.worker.requests[0]).toMatchObject({ body: ` ${CHAT}` });
  });
});

describe('bodies that would hurt a parser', () => {
  const deep = (levels: number): string => `{"model":"m","x":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;

  test('case 27: 64 levels are accepted, 65 are too deep', async () => {
    expect((await door.chat(deep(64))).status).toBe(200);
    expectRefusal(await door.chat(deep(65)), 'json_too_deep');
  });

  test('case 27: 30 MB of brackets are refused before they are parsed', async () => {
    const bytes = Buffer.alloc(30_000_000, '[');
    const startedAt = process.cpuUsage();
    expectRefusal(await door.chat(bytes), 'json_too_deep');
    const { user, system } = process.cpuUsage(startedAt);
    // The parser alone takes several seconds for them; sending and receiving them, in this one process, takes part of a second.
    expect((user + system) / 1e6).toBeLessThan(2);
  });

  test('case 32: ten thousand keys are accepted, more are too many, whether they look like numbers or not', async () => {
    const keys = (count: number, name: string): string =>
      `{"model":"m","x":{${Array.from({ length: count }, (_, index) => `"${name}${index}":1`).join()}}}`;
    expect((await door.chat(keys(9_998, ''))).status).toBe(200);
    for (const name of ['', 'k']) expectRefusal(await door.chat(keys(200_000, name)), 'too_many_keys');
    expectRefusal(await door.chat(keys(9_999, '')), 'too_many_keys');
  });

  test('a million empty objects are too many', async () => {
    expectRefusal(await door.chat(`{"model":"m","x":[${'{},'.repeat(1_000_000)}1]}`), 'too_many_keys');
  });

  test('brackets, braces and colons inside a string count for nothing', async () => {
    const text = '[{:'.repeat(100_000);
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `"${text}\\` }] });
    expect((await door.chat(body)).status).toBe(200);
    expect(door.worker.requests[0]!.body === body).toBe(true);
  });

  test.each(['1e400', '-1e400', '[1,1e999]', '{"a":1e999}'])('case 35: %s is no number that a worker could read', async (value) => {
    const answer = await door.chat(`{"model":"m","x":${value}}`);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).error).toMatchObject({ code: 'invalid_value' });
  });
});

describe('bodies that are unusual and fine', () => {
  test.each([
    ['case 26: keys that are there twice', '{"model":"no","model":"m","seed":1,"seed":2}'],
    ['case 31: __proto__', '{"model":"m","__proto__":{"polluted":true,"stream":true},"constructor":{"prototype":{"polluted":true}}}'],
    ['case 43: a lone surrogate', String.raw`{"model":"m","messages":[{"role":"user","content":"\ud800 \u0000 \u202e"}]}`],
    ['case 43: text from right to left', '{"model":"m","messages":[{"role":"user","content":"\u202eabc\u2066"}]}'],
    ['an escaped key', String.raw`{"mod\u0065l":"m","messages":[]}`],
    ['numbers that JavaScript would change', '{"model":"m","seed":9007199254740993,"temperature":1.0,"x":-0,"y":1E+2}'],
    ['white space everywhere', ' \r\n\t{ "model" \n:\t"m" , "messages" : [ ] }\n\n'],
    ['no model', '{"messages":[]}'],
    ['a null model', '{"model":null,"stream":null,"n":null,"max_tokens":null,"messages":[]}'],
  ])('%s: the worker gets the bytes that the client sent', async (_name, body) => {
    expect((await door.chat(body)).status).toBe(200);
    expect(door.worker.requests.map((asked) => asked.body)).toEqual([body]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('case 28: bodies beyond the limit', () => {
  test('are refused by their declared length, before they are sent', async () => {
    using client = await connectRaw(door.port);
    client.send(
      'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 33554433\r\n\r\n',
    );
    const answer = await client.answer();
    expectRefusal(answer, 'request_too_large');
    expect(message(answer)).toContain('33554432 bytes');
  });

  test('are refused while they come in chunks of no declared length, and the connection stays in step', async () => {
    using client = await connectRaw(door.port);
    client.send(
      'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(1_048_576, ' '), Buffer.from('\r\n')]);
    for (let i = 0; i < 33; i++) client.send(chunk);
    expectRefusal(await client.answer(), 'request_too_large');
    client.send('0\r\n\r\n');
    client.send(request({ body: CHAT }));
    expect((await client.answer()).status).toBe(200);
  });

  test('a body of exactly the limit is accepted', async () => {
    const rest = '"}';
    const start = '{"model":"m","x":"';
    const body = Buffer.alloc(33_554_432, 'a');
    body.write(start);
    body.write(rest, body.length - rest.length);
    expect((await door.chat(body)).status).toBe(200);
  });
});

test('a body in a million pieces of one byte costs no more memory than its bytes', { timeout: 90_000 }, async () => {
  using client = await connectRaw(door.port);
  client.send(
    'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  const before = process.memoryUsage();
  const pieces = Buffer.from('1\r\n \r\n'.repeat(10_000));
  for (let i = 0; i < 100; i++) {
    if (!client.socket.write(pieces)) await new Promise((resolve) => client.socket.once('drain', resolve));
  }
  client.send(`1b\r\n${CHAT}\r\n0\r\n\r\n`);
  const answer = await client.answer();
  expect(answer.status).toBe(200);
  const after = process.memoryUsage();
  // As a list of pieces they held some 360 MB until the last came; what is left of garbage is far less.
  expect(after.rss - before.rss).toBeLessThan(200_000_000);
});

test('three hundred clients that announce 32 MB each and send a kilobyte cost what they send', async () => {
  const before = process.memoryUsage();
  const clients: RawClient[] = [];
  try {
    for (let i = 0; i < 300; i++) {
      const client = await connectRaw(door.port);
      clients.push(client);
      client.send(
        'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 33554432\r\n\r\n',
      );
      client.send(`{"x":"${'x'.repeat(1_000)}`);
    }
    // Others are served meanwhile, and by then all of that has been read.
    expect((await door.chat(CHAT)).status).toBe(200);
    expect(process.memoryUsage().rss - before.rss).toBeLessThan(200_000_000);
    expect(door.gateway.gateway.figures.inFlight()).toBe(0);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});
