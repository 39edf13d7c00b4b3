import { expect, test } from 'vitest';
import { meantBy } from '../../../gateway/http/meant-path.ts';
import { RELAYED_BY_PATH } from '../../../gateway/http/routes.ts';

const OURS = new Set([...RELAYED_BY_PATH.keys(), '/v1/models', '/health']);
const meant = (path: string) => meantBy(path, (other) => OURS.has(other));

test.each([
  ['//v1/chat/completions', '/v1/chat/completions'],
  ['/v1//chat///completions/', '/v1/chat/completions'],
  ['/v1/models/', '/v1/models'],
  ['/health/', '/health'],
])('%s is %s but for its slashes', (path, plain) => {
  expect(meant(path)).toEqual({ kind: 'slashes', path: plain });
});

test.each([
  ['/chat/completions', '/v1/chat/completions'],
  ['/chat/completions/', '/v1/chat/completions'],
  ['/models', '/v1/models'],
  ['/messages', '/v1/messages'],
  ['/v1/v1/messages', '/v1/messages'],
  ['/openai/v1/embeddings', '/v1/embeddings'],
  ['/api/v1/chat/completions', '/v1/chat/completions'],
])('%s is %s with another base URL', (path, ours) => {
  expect(meant(path)).toEqual({ kind: 'base', path: ours });
});

test.each([
  ['/v1/images/generations', 'OpenAI'],
  ['/images/generations', 'OpenAI'],
  ['/v1/audio/speech', 'OpenAI'],
  ['/v1/moderations', 'OpenAI'],
  ['/v1/fine_tuning/jobs', 'OpenAI'],
  ['/v1/assistants/asst_1/files', 'OpenAI'],
  ['/v1/realtime', 'OpenAI'],
  ['/v1/messages/batches', 'Anthropic'],
])('%s is of %s and not offered', (path, api) => {
  expect(meant(path)).toEqual({ kind: 'not_offered', api });
});

test.each([
  '/',
  '//',
  '/v1',
  '/v1/',
  '/v1/chat',
  '/v1/imagesx',
  '/admin',
  '/sleep',
  '/constructor',
  '/evil.example//x',
  '//evil.example/a',
])('%s is like nothing here', (path) => {
  expect(meant(path)).toBeNull();
});
