import { describe, expect, it } from 'vitest';
import type { LogFields } from '../../../../gateway/core/log/fields.ts';
import { MAX_STRING_BYTES } from '../../../../gateway/core/log/fields.ts';
import { prettyLine } from '../../../../gateway/core/log/pretty.ts';
import { createLog } from '../../../../gateway/core/log/log.ts';
import type { LogFormatSetting, LogLevel } from '../../../../gateway/core/log/log.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { SECRETS } from '../../telemetry/events/scene.ts';

function open(level: LogLevel = 'info', format: LogFormatSetting = 'json', live = false) {
  const written: string[] = [];
  let flushed = 0;
  const clock = createFakeClock();
  const destination = { write: (line: string) => written.push(line), flushSync: () => void flushed++ };
  return { log: createLog({ level, format, clock, destination, live }), written, clock, flushes: () => flushed };
}

describe('a log line', () => {
  it('is one JSON object with ISO time, level by name, event, msg and the fields that have a value', async () => {
    const { log, written, clock } = open();
    await clock.advance(1.5);
    log.warn('breaker', 'breaker open', { worker: 'w0', attempts: 0, ttft_ms: null, model: undefined, stream: false, changed: ['a', 'b'] });
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(written[0]!)).toEqual({
      level: 'warn',
      time: '2026-01-01T00:00:00.001Z',
      event: 'breaker',
      worker: 'w0',
      attempts: 0,
      stream: false,
      changed: ['a', 'b'],
      msg: 'breaker open',
    });
  });

  it('has no place for fields that are not listed, nor for objects', () => {
    const { log, written } = open();
    const fields = {
      headers: { authorization: SECRETS.key },
      body: SECRETS.prompt,
      authorization: SECRETS.key,
      prompt: SECRETS.prompt,
      worker: { toJSON: () => SECRETS.completion },
    } as unknown as LogFields;
    log.info('request.end', 'request complete', fields);
    for (const secret of Object.values(SECRETS)) expect(written[0]).not.toContain(secret);
  });

  it.each([
    ['ASCII', 'a'.repeat(5000)],
    ['two bytes a character', 'é'.repeat(5000)],
    ['three bytes a character', '界'.repeat(5000)],
    ['four bytes a character', '😀'.repeat(5000)],
  ])('holds no string of more than 1 kB: %s', (_, long) => {
    const { log, written } = open();
    log.error('worker.failure', long, { message: long, changed: Array.from({ length: 100 }, () => long) });
    const line = JSON.parse(written[0]!) as { msg: string; message: string; changed: string[] };
    expect(line.changed).toHaveLength(32);
    for (const text of [line.msg, line.message, ...line.changed]) {
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_STRING_BYTES);
      expect(Buffer.byteLength(text)).toBeGreaterThan(MAX_STRING_BYTES - 8);
      expect(text.endsWith('…')).toBe(true);
      expect(text.isWellFormed() && !text.includes('\uFFFD')).toBe(true);
    }
  });

  it.each<[string, LogFields]>([
    ['a proxy at http://bob:s3cret-word@10.0.0.1:3128 refused', {}],
    ['x', { message: 'started with --api-key s3cret-word --port 1' }],
    ['x', { model: 'sk-proj-s3cret-word123456' }],
    ['x', { request_id: 'sk-proj-s3cret-word123456' }],
    ['x', { changed: ['HF_TOKEN=s3cret-word', 'log.level'] }],
    ['x', { message: `${'x '.repeat(495)}password=s3cret-word ${'y'.repeat(5000)}` }],
  ])('shows no secret, whoever has put it there: %s %j', (msg, fields) => {
    for (const format of ['json', 'pretty'] as const) {
      const { log, written } = open('info', format);
      // What has been written before is remembered.
      for (let times = 0; times < 2; times++) log.warn('worker.failure', msg, fields);
      log.announce('ready', msg);
      expect(written.join('')).not.toContain('s3cret');
      expect(log.tail().join('')).not.toContain('s3cret');
      expect(written[1]).toContain('[redacted]');
    }
  });

  it('keeps a string that just fits', () => {
    const { log, written } = open();
    log.info('start', '', { message: 'é'.repeat(MAX_STRING_BYTES / 2) });
    expect(JSON.parse(written[0]!)).toMatchObject({ message: 'é'.repeat(MAX_STRING_BYTES / 2) });
  });

  it('stays one line whatever a string holds', () => {
    const { log, written } = open();
    log.info('start', 'a\nb', { message: 'c\r\nd\u2028', worker: '"}\n{"level":"fatal"' });
    expect(written[0]!.trimEnd().split(/[\r\n]/)).toHaveLength(1);
    expect(JSON.parse(written[0]!)).toMatchObject({ msg: 'a\nb', worker: '"}\n{"level":"fatal"' });
  });
});

describe('a log', () => {
  it('changes its level while it runs', () => {
    const { log, written } = open('info');
    log.debug('route', 'hidden');
    expect(log.enabled('debug')).toBe(false);
    log.level = 'debug';
    expect(log.enabled('debug')).toBe(true);
    log.debug('route', 'shown');
    log.level = 'silent';
    log.error('route', 'hidden');
    expect(written.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['shown']);
    expect(log.level).toBe('silent');
  });

  it('remembers its last 200 lines, oldest first', () => {
    const { log } = open();
    for (let index = 0; index < 450; index++) log.info('start', `line ${index}`);
    const kept = log.tail().map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(kept).toEqual(Array.from({ length: 200 }, (_, index) => `line ${250 + index}`));
  });

  it('passes a flush on to where the lines go', () => {
    const { log, flushes } = open();
    log.flush();
    expect(flushes()).toBe(1);
  });
});

describe('the pretty form', () => {
  it('is one compact line for people', () => {
    const { log, written } = open('info', 'pretty');
    log.info('start', 'listening', { file: '/a', worker: '', reason: null, changed: [], in_flight: 0, stream: false });
    expect(written).toEqual(['00:00:00.000Z INFO  start · listening file=/a in_flight=0 stream=false\n']);
  });

  it('tells of a request as "headgate logs" does, and where it comes from when it is a fault', () => {
    const { log, written } = open('info', 'pretty');
    const request = {
      ...{ request_id: 'req-1', method: 'POST', route: '/v1/chat/completions', model: 'm', status: 200, outcome: 'complete' },
      ...{ stream: true, worker: 'worker-0', attempts: 1, queue_ms: 0, window_ms: 0, ttft_ms: 9.5, duration_ms: 812.345, input_tokens: 7 },
      ...{ output_tokens: 20, bytes_out: 4096, finish_reason: 'stop', priority: 'interactive', key: 'app' },
    };
    log.info('request.end', 'request complete', request);
    log.error('request.end', 'request refused', {
      status: 500,
      outcome: 'refused',
      code: 'internal_error',
      cause_code: 'EBADF',
      stack: 'at x',
    });
    expect(written).toEqual([
      '00:00:00.000Z INFO  200 POST /v1/chat/completions · m · worker-0 · 812 ms (first token 9.5 ms) · 7 → 20 tokens · stop · key app · req-1\n',
      '00:00:00.000Z ERROR 500 · refused: internal_error cause_code=EBADF stack="at x"\n',
    ]);
  });

  it('never hands the terminal a control character', () => {
    const bytes = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).join('');
    const line = prettyLine(
      JSON.stringify({ time: '2026-01-01T00:00:00.000Z', level: 'warn', event: 'x', msg: bytes, message: bytes, list: [bytes] }),
    );
    const request = prettyLine(
      JSON.stringify({ time: '2026-01-01T00:00:00.000Z', level: 'warn', event: 'request.end', path: bytes, key: bytes }),
    );
    // oxlint-disable-next-line no-control-regex
    for (const one of [line, request]) expect(one.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

describe('what somebody waits for', () => {
  it.each<LogLevel>(['info', 'error', 'silent'])('is a line of JSON like the others at level %s', (level) => {
    const { log, written } = open(level, 'auto');
    log.announce('ready', 'Headgate is ready.');
    expect(written).toHaveLength(1);
    expect(JSON.parse(written[0]!)).toEqual({
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      event: 'ready',
      msg: 'Headgate is ready.',
    });
    expect(Object.keys(JSON.parse(written[0]!) as object)).toEqual(['level', 'time', 'event', 'msg']);
  });

  it('is the sentence by itself where people read', () => {
    const { log, written } = open('error', 'pretty');
    log.announce('ready', 'Headgate is ready.');
    expect(written).toEqual(['Headgate is ready.\n']);
  });
});

describe('a line that is shown and taken back', () => {
  it('goes before the next line is written, whoever showed it', () => {
    const { log, written } = open('info', 'pretty', true);
    log.show('loading');
    log.info('start', 'one');
    log.announce('ready', 'two');
    expect(written).toEqual(['\r\u001b[2Kloading\r', '\r\u001b[2K00:00:00.000Z INFO  start · one\n', '\r\u001b[2Ktwo\n']);
  });

  it.each([
    ['json', true],
    ['pretty', false],
  ] as const)('is shown nowhere else: %s, live %s', (format, live) => {
    const { log, written } = open('info', format, live);
    log.show('loading');
    log.info('start', 'one');
    expect(written).toEqual([expect.not.stringContaining('\u001b')]);
  });
});
