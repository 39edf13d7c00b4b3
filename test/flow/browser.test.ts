import { expect, test } from 'vitest';
import { ADMIN_KEY } from '../support/admin.ts';
import { browse, CHROMIUM, hostPage } from '../support/browser.ts';
import { event, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';
import { settled } from './settled.ts';

/** Asks as the SDKs do, whose headers need leave. */
const ASK = `
  const ask = (path, body, more = {}) => fetch(GATEWAY + path, {
    method: 'POST',
    headers: { authorization: 'Bearer none', 'content-type': 'application/json', 'x-stainless-lang': 'js' },
    body: JSON.stringify(body),
    ...more,
  });
  const outcome = (promise) => promise.then((answer) => answer.status, (error) => error.name);
  const chat = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true };
`;

const FRIEND = `${ASK}
  const frame = document.createElement('iframe');
  frame.src = STRANGER;
  document.body.append(frame);

  const answer = await ask('/v1/chat/completions', chat);
  let text = '', first;
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    // The worker goes on only when it has heard of this.
    if (first === undefined) { first = text; await ask('/tokenize', { model: 'm', prompt: 'go on' }); }
  }
  const refused = await ask('/v1/chat/completions', { ...chat, model: 'nobody' });
  const method = await fetch(GATEWAY + '/v1/chat/completions', { headers: { authorization: 'Bearer none' } });
  return {
    status: answer.status, text, first, worker: answer.headers.get('x-headgate-worker'),
    error: [refused.status, (await refused.json()).error.code, refused.headers.get('x-headgate-reason'), refused.headers.get('x-request-id')],
    method: [method.status, (await method.json()).error.code],
    models: (await (await fetch(GATEWAY + '/v1/models')).json()).data.map(({ id }) => id),
    admin: await outcome(fetch(GATEWAY + '/admin/status', { headers: { 'x-api-key': KEY } })),
    metrics: await outcome(fetch(GATEWAY + '/metrics')),
  };
`;

const STRANGER = `${ASK}
  const form = new FormData();
  form.set('model', 'm');
  form.set('file', new Blob(['abc']), 'f');
  return {
    chat: await outcome(ask('/v1/chat/completions', chat)),
    models: await outcome(fetch(GATEWAY + '/v1/models')),
    upload: await outcome(fetch(GATEWAY + '/v1/audio/transcriptions', { method: 'POST', body: form })),
    blind: await outcome(fetch(GATEWAY + '/v1/audio/transcriptions', { method: 'POST', body: form, mode: 'no-cors' })),
  };
`;

test.skipIf(CHROMIUM === null)(
  `${CHROMIUM === null ? 'no Chromium on the PATH, so not tried' : 'in Chromium'}: a page of another origin streams a chat and reads errors, and a stranger's does neither`,
  async () => {
    await using worker = await startFakeVllm();
    const { promise: goneOn, resolve: goOn } = Promise.withResolvers<void>();
    worker.script = (request, response) => {
      if (request.path === '/tokenize') {
        goOn();
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"tokens":[]}');
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(event('Hel'));
      void goneOn.then(() => response.end(`${event('lo', 'stop')}data: [DONE]\n\n`));
    };
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    const known = (script: string, stranger = '') =>
      `const GATEWAY = ${JSON.stringify(gateway.url)}, KEY = '${ADMIN_KEY}', STRANGER = '${stranger}';\n${script}`;
    await using stranger = await hostPage('evil.example', known(STRANGER));
    await using friend = await hostPage('127.0.0.1', known(FRIEND, stranger.origin));

    const [seen, kept] = await browse(friend.origin, [friend, stranger]);
    expect(seen).toEqual({
      status: 200,
      text: expect.stringMatching(/"Hel"[^]*"lo"[^]*data: \[DONE\]\n\n$/),
      first: expect.not.stringContaining('lo"'),
      worker: new URL(worker.url).host,
      error: [404, 'model_not_found', 'client_error', expect.stringMatching(/^\w{32}$/)],
      method: [405, 'method_not_allowed'],
      models: ['m'],
      admin: 'TypeError',
      metrics: 'TypeError',
    });
    // The browser tells a page nothing of what it may not read: 0 is all it says of what was sent without asking.
    expect(kept).toEqual({ chat: 'TypeError', models: 'TypeError', upload: 'TypeError', blind: 0 });
    expect(worker.requests.map(({ path }) => path)).toEqual(['/v1/chat/completions', '/tokenize']);
    await settled(gateway);
  },
);
