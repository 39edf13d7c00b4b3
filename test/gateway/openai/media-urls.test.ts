import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkMediaUrls } from '../../../gateway/openai/media-urls.ts';
import { refused } from './refused.ts';

const withUrl = (url: unknown) => ({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] });

describe('where a worker may be sent', () => {
  test.each([
    'data:image/png;base64,QUJD',
    'http://example.com',
    'https://example.com:8443/a/b.png?x=1&y=http://10.0.0.1#z',
    'HTTPS://EXAMPLE.COM/a',
    'http://93.184.215.14/',
    'http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/x',
    'https://xn--bcher-kva.example/ä',
    'https://my_bucket.s3.example.com./a',
  ])('%s', (url) => {
    expect(() => checkMediaUrls(withUrl(url))).not.toThrow();
  });
});

describe('where it may not', () => {
  test.each([
    // Inside, in every spelling that a URL parser turns into an address.
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://127.0.0.1./',
    'http://１２７.0.0.1/',
    'http://0/',
    'http://10.1.2.3/',
    'http://100.64.0.1/',
    'http://172.31.255.255/',
    'http://192.168.1.1:8000/v1/models',
    'http://169.254.169.254/latest/meta-data/',
    'http://198.18.0.1/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:0:7f00:1::]/',
    'http://[fd00:ec2::254]/',
    'http://[fe80::1]/',
    'http://[ff02::1]/',
    // Names of inside.
    'http://localhost/',
    'http://LOCALHOST./',
    'http://x.localhost/',
    'http://metadata.google.internal/',
    'http://metadata.google.internal./',
    'http://printer.local/',
    'http://router.lan/',
    'http://vllm/',
    // Other protocols.
    'file:///etc/passwd',
    'ftp://example.com/',
    'gopher://example.com/',
    'jar:http://example.com!/',
    'javascript:1',
    'DATA:text/plain,x',
    // What parsers disagree on.
    'http://a\\@b.com/',
    'http:\\\\example.com',
    'http://example.com\\.evil.com/',
    'http://user@example.com/',
    'http://user:pass@example.com/',
    'http://exa\tmple.com/',
    'http://example.com/a b',
    'http://example.com/\n',
    ' http://example.com',
    'http:example.com',
    'http:/example.com',
    'http:///example.com',
    '//example.com/',
    'http://example.com:99999/',
    'http://example.com:80:80/',
    'http://',
    'http://%31%32%37.0.0.1/',
    'http://ex%61mple.com/',
    'http://[::1',
    'http://\u2488.example.com/',
    '',
    'x',
  ])('%j', (url) => {
    const { details, message } = refused('invalid_value', () => checkMediaUrls(withUrl(url)));
    expect(details.param).toBe('messages[0].content[0].image_url');
    expect(url !== '' && url.length > 8 && message.includes(url)).toBe(false);
  });

  test('whatever the spelling, an address that a URL parser takes for one of ours is refused', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const spell = (value: number) => fc.constantFrom(String(value), `0x${value.toString(16)}`, `0${value.toString(8)}`);
    const inside = fc.oneof(
      fc.tuple(fc.constantFrom(10, 127, 0), octet, octet, octet),
      fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
    );
    const address = inside.chain((octets) => fc.tuple(...octets.map(spell)).map((parts) => parts.join('.')));
    fc.assert(
      fc.property(address, fc.constantFrom('', '.', ':80', ':8000'), fc.constantFrom('', '/', '/x', '?x', '#x'), (host, port, rest) => {
        refused('invalid_value', () => checkMediaUrls(withUrl(`http://${host}${port}${rest}`)));
      }),
    );
  });
});

describe('where it looks', () => {
  test('at media in any place, as a string or with a url, and at the sources of Anthropic', () => {
    const bad = 'file:///x';
    const bodies: [object, string][] = [
      [{ messages: [{ content: [{ image_url: bad }] }] }, 'messages[0].content[0].image_url'],
      [{ messages: [{ content: [{}, { audio_url: { url: bad } }] }] }, 'messages[0].content[1].audio_url'],
      [{ messages: [{ content: { video_url: bad } }] }, 'messages[0].content.video_url'],
      [{ input: [{ content: [{ type: 'input_image', image_url: bad }] }] }, 'input[0].content[0].image_url'],
      [{ input: [{ output: [{ file_url: bad }] }] }, 'input[0].output[0].file_url'],
      [{ documents: { content: [{ image_url: { url: bad } }] } }, 'documents.content[0].image_url'],
      [{ messages: [{ content: [{ type: 'image', source: { type: 'url', url: bad } }] }] }, 'messages[0].content[0].source.url'],
      [{ [`k${'x'.repeat(1_000)}`]: { image_url: bad } }, `k${'x'.repeat(63)}.image_url`],
    ];
    for (const [body, param] of bodies) {
      expect(refused('invalid_value', () => checkMediaUrls(body as Record<string, unknown>)).details.param).toBe(param);
    }
  });

  test('not at descriptions of data, nor at what is no URL', () => {
    const url = 'file:///x';
    const bodies = [
      { tools: [{ parameters: { properties: { image_url: url } } }] },
      { response_format: { json_schema: { image_url: { url } } } },
      { messages: [{ content: [{ type: 'text', text: url, url }] }] },
      { messages: [{ content: [{ image_url: null }, { image_url: 1 }, { image_url: { url: null } }, { image_url: [] }] }] },
      { messages: [{ content: url }], prompt: url },
      { messages: null },
      {},
    ];
    for (const body of bodies) expect(() => checkMediaUrls(body)).not.toThrow();
  });
});
