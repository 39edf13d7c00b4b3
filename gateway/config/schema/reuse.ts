import { z } from 'zod';
import { count, HOUR_MS, ms } from './values/kinds.ts';

// What is kept so that nothing is made twice: answers, and where the beginnings of conversations are.

export const cache = () =>
  z.strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe(
        'Keeps answers to requests that leave nothing to chance (temperature 0, a seed, embeddings) for those who ask the same again.',
      ),
    max_entries: count(1, 1_000_000).default(1_000).describe('Answers that are kept; the one that was wanted longest ago goes first.'),
    ttl_ms: ms(1).default(600_000).describe('How long an answer is kept.'),
    max_bytes: count(65_536, 64 * 1024 ** 3)
      .default(268_435_456)
      .describe('Memory that all of them may take.'),
    max_entry_bytes: count(1, 64 * 1024 ** 2)
      .default(1_048_576)
      .describe('A larger answer is not kept.'),
    scope: z
      .enum(['key', 'all'])
      .default('key')
      .describe('Who is given what was made for whom. key: each key its own answers. all: everybody everyone’s.'),
    normalize: z
      .array(z.enum(['whitespace', 'timestamps', 'uuids', 'numbers_in_ids', 'paths', 'ip_addresses']))
      .max(6)
      .default([])
      .describe('What may differ between prompts that are given the same answer. The prompt that is sent stays as it is.'),
  });

export const singleFlight = () =>
  z.strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Requests that ask the same at the same time, and leave nothing to chance, are answered with what is made once.'),
  });

export const idempotency = () =>
  z.strictObject({
    enabled: z.boolean().default(true).describe('Heeds the header idempotency-key: what comes twice under one key is done once.'),
    ttl_ms: ms(1).default(600_000).describe('How long an answer is kept for whoever asks again.'),
    max_bytes: count(65_536, 64 * 1024 ** 3)
      .default(67_108_864)
      .describe('Memory that all such answers may take.'),
    join_grace_ms: ms(0, 600_000)
      .default(5_000)
      .describe('How long a request goes on whose client has gone, so that the client finds it when it comes back.'),
  });

export const sessions = () =>
  z.strictObject({
    idle_ms: ms(1000, 24 * HOUR_MS)
      .default(180_000)
      .describe('How long after its last call a conversation is kept at its worker.'),
    max_entries: count(1, 1_000_000)
      .default(10_000)
      .describe('Conversations kept at once in each process; of more, the one that was used longest ago goes.'),
    from: z
      .array(z.enum(['header', 'prompt_cache_key', 'user']))
      .min(1)
      .max(3)
      .default(['header', 'prompt_cache_key'])
      .describe('What names a conversation, the first that a call has: x-session-id (header), or these fields of its body.'),
  });
