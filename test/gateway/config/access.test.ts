import { describe, expect, test } from 'vitest';
import { adminAccess, apiAccess } from '../../../gateway/config/access.ts';
import { load, problemsOf } from './loading.ts';

const settingsOf = (file: string) => load({ file }).settings;

describe('the API', () => {
  test.each<[string, string[] | null, unknown]>([
    ['{}', ['127.0.0.1'], 'local'],
    ['server: { host: "::1" }', ['::1'], 'local'],
    ['server: { host: Chat.LOCALHOST }', ['chat.localhost'], 'local'],
    ['auth: { allow_anonymous: true }', null, 'local'],
    ['server: { host: 0.0.0.0 }\nauth: { allow_anonymous: true }', null, 'local'],
    ['server: { cors: { allowed_origins: "*" } }', ['127.0.0.1'], 'any'],
    ['server: { cors: { allowed_origins: ["*"] } }', ['127.0.0.1'], 'any'],
    ['server: { cors: { allowed_origins: [] } }', ['127.0.0.1'], []],
    ['server: { cors: { allowed_origins: ["https://a.example", "app://b"] } }', ['127.0.0.1'], ['https://a.example', 'app://b']],
  ])('with %s answers to %j and lets in the pages of %j', (file, hosts, origins) => {
    expect(apiAccess(settingsOf(file))).toEqual({ hosts, origins });
  });

  test('that asks for a key may be called from any page, by any name', () => {
    const keys = 'auth: { keys: [{ name: a, key: hg-sixteen-letters }] }';
    expect(apiAccess(settingsOf(keys))).toEqual({ hosts: null, origins: 'any' });
  });
});

test('a listener for operators alone lets in no page of another origin, and answers to any name where others reach it', () => {
  const open = 'auth: { allow_anonymous: true }\nserver: { cors: { allowed_origins: "*" } }\n';
  expect(adminAccess(settingsOf(`${open}admin: { port: 9000 }`))).toEqual({ hosts: ['127.0.0.1'], origins: [] });
  expect(adminAccess(settingsOf(`${open}admin: { port: 9000, host: 10.0.0.7 }`))).toEqual({ hosts: null, origins: [] });
});

test.each([
  ['chat.example', 'expected an origin such as https://chat.example.com'],
  ['https://chat.example/', 'expected an origin'],
  ['https://chat.example/app', 'expected an origin'],
  ['https://*.example', 'expected an origin'],
  ['null', 'expected an origin'],
  ['https://u@chat.example', 'expected an origin'],
  ['https://Chat.example', 'browsers write this origin as https://chat.example'],
  ['https://chat.example:443', 'browsers write this origin as https://chat.example'],
])('the origin %s is refused, with what is meant', (origin, message) => {
  const problems = problemsOf({ file: `server: { cors: { allowed_origins: ["${origin}"] } }` });
  expect(problems).toEqual([expect.stringContaining(`server.cors.allowed_origins[0]: ${message}`)]);
});

test('the environment sets origins as the file does', () => {
  const origins = (text: string) => load({ env: { HEADGATE_SERVER__CORS__ALLOWED_ORIGINS: text } }).settings.server.cors.allowed_origins;
  expect(origins('*')).toBe('*');
  expect(origins('auto')).toBe('auto');
  expect(origins('[https://a.example, "http://localhost:3000"]')).toEqual(['https://a.example', 'http://localhost:3000']);
  expect(problemsOf({ env: { HEADGATE_SERVER__CORS__ALLOWED_ORIGINS: 'https://a.example' } })).toEqual([
    expect.stringContaining('HEADGATE_SERVER__CORS__ALLOWED_ORIGINS: expected auto or * or a list'),
  ]);
});
