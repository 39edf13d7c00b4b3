import { describe, expect, test } from 'vitest';
import { ERRORS, GatewayError, type ErrorKind } from '../../../gateway/core/errors.ts';
import { errorBody, errorEvent } from '../../../gateway/openai/error-body.ts';

const KINDS = Object.keys(ERRORS) as ErrorKind[];

describe('an error as JSON', () => {
  test.each(KINDS)('%s has the four fields that every OpenAI SDK reads', (kind) => {
    const error = new GatewayError(kind, 'words');
    expect(errorBody(error, 'openai')).toEqual({
      error: { message: 'words', type: ERRORS[kind].type, param: null, code: ERRORS[kind].code },
    });
  });

  test.each(KINDS)("%s has Anthropic's shape and one of its types", (kind) => {
    const body = errorBody(new GatewayError(kind, 'words'), 'anthropic') as { type: string; error: { type: string; message: string } };
    expect(body).toEqual({ type: 'error', error: { type: expect.stringMatching(/^[a-z_]+$/), message: 'words' } });
  });

  test('details replace what the table says', () => {
    const details = { param: 'n', code: 'too_many', status: 422, type: 'odd_error' };
    expect(errorBody(new GatewayError('invalid_value', 'words', details), 'openai')).toEqual({
      error: { message: 'words', type: 'odd_error', param: 'n', code: 'too_many' },
    });
    expect(errorBody(new GatewayError('invalid_value', 'words', { code: null }), 'openai')).toMatchObject({ error: { code: null } });
  });

  test('the cause stays inside', () => {
    const error = new GatewayError('upstream_error', 'words', { cause: new Error('secret') });
    expect(JSON.stringify([errorBody(error, 'openai'), errorBody(error, 'anthropic')])).not.toContain('secret');
  });
});

describe('an error in a stream', () => {
  const error = new GatewayError('upstream_disconnected', 'line\n\nbreaks');

  test('is one event, whatever the words', () => {
    for (const dialect of ['openai', 'responses', 'anthropic'] as const) {
      const event = errorEvent(error, dialect, 7);
      expect(event.endsWith('\n\n')).toBe(true);
      expect(event.indexOf('\n\n')).toBe(event.length - 2);
    }
  });

  test('is plain data for OpenAI and a named event for Anthropic', () => {
    expect(JSON.parse(errorEvent(error, 'openai', 7).replace(/^data: /, ''))).toEqual(errorBody(error, 'openai'));
    const [name, data] = errorEvent(error, 'anthropic', 7).split('\n');
    expect(name).toBe('event: error');
    expect(JSON.parse(data!.replace(/^data: /, ''))).toEqual(errorBody(error, 'anthropic'));
  });

  test('is numbered and named in a stream of responses, with what SDKs read beside and inside it', () => {
    const [name, data] = errorEvent(error, 'responses', 7).split('\n');
    expect(name).toBe('event: error');
    const told = { message: 'line\n\nbreaks', type: 'server_error', param: null, code: 'upstream_disconnected' };
    const { message, param, code } = told;
    expect(JSON.parse(data!.replace(/^data: /, ''))).toEqual({ type: 'error', sequence_number: 7, code, message, param, error: told });
  });
});
