import { expect, test } from 'vitest';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { lookAtWorkers } from '../../../scripts/commands/looking/look-at-workers.ts';
import { workerLines } from '../../../scripts/commands/looking/workers-text.ts';
import { llamaShapes } from '../../support/engines/llama-cpp.ts';
import { openaiShapes } from '../../support/engines/openai.ts';
import { startStub } from '../../support/engines/stub.ts';
import { freePort } from '../../support/ports.ts';

const ONE = { apiKey: null, models: null, maxNumSeqs: 8 };

test('headgate doctor says which engine each listed worker runs, and what is amiss with its line', async () => {
  await using llama = await startStub(llamaShapes({ metrics: false }));
  await using service = await startStub(openaiShapes());
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const listings = [
    { ...ONE, url: llama.url },
    { ...ONE, url: `${service.url}/v1`, models: ['absent'] },
    { ...ONE, url: nobody },
  ];
  const reports = await lookAtWorkers(listings, settingsSchema.parse({}).timeouts, systemClock);
  expect(reports).toMatchObject([
    { ok: true, source: null, engine: 'llama-cpp', version: 'b9999-0c1e570', models: ['m'], load_from: '/slots', notes: [] },
    {
      ok: false,
      engine: 'openai',
      version: null,
      load_from: null,
      notes: [expect.stringContaining('is listed with absent'), expect.any(String)],
    },
    { ok: false, engine: null, models: [], notes: [expect.stringContaining('refuses connections'), expect.any(String)] },
  ]);
  const text = workerLines({ sources: [], workers: reports }).join('\n');
  expect(text).toContain(`${llama.url}  llama.cpp b9999-0c1e570: m; tells its load at /slots`);
  expect(text).toContain("OpenAI's API: absent; tells no load");
  expect(workerLines({ sources: [], workers: [] })).toEqual([]);
});
