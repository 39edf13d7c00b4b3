import { describe, expect, test } from 'vitest';
import { addressOf } from '../../../../gateway/workers/worker-listing.ts';
import { ApiPlace } from '../../../../gateway/workers/wire/api-place.ts';

describe('where an API lies', () => {
  test.each([
    ['/openai/v1', '/v1/chat/completions', '/openai/v1/chat/completions'],
    ['/openai/v1', '/health', '/openai/health'],
    ['/api/paas/v4', '/v1/models', '/api/paas/v4/models'],
    ['/v1', '/v1/models', '/v1/models'],
  ])('%s: %s is at %s', (api, path, there) => {
    expect(new ApiPlace(api).pathOf(path)).toBe(there);
  });

  test.each([
    ['http://a:8000', undefined, undefined],
    ['http://a:8000/v1', 'vllm', undefined],
    ['https://a/openai/v1', 'auto', '/openai/v1'],
    // An engine of one's own behind a proxy, and a service that numbers its API otherwise.
    ['http://a/llama', 'auto', '/llama/v1'],
    ['https://a/api/paas/v4', 'openai', '/api/paas/v4'],
    ['https://api.example.com', 'openai', undefined],
  ] as const)('%s (engine %s): %s', (url, engine, apiPath) => {
    expect(addressOf({ url, ...(engine && { engine }) }, new Map()).apiPath).toBe(apiPath);
  });
});
