import { expect, test } from 'vitest';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { listedText, lookAtListed } from '../../../scripts/commands/looking/listed-workers.ts';
import { llamaShapes } from '../../support/engines/llama-cpp.ts';
import { openaiShapes } from '../../support/engines/openai.ts';
import { startStub } from '../../support/engines/stub.ts';
import { freePort } from '../../support/ports.ts';

test('headgate doctor says which engine each listed worker runs, and what is amiss with its line', async () => {
  await using llama = await startStub(llamaShapes({ metrics: false }));
  await using service = await startStub(openaiShapes());
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const workers = [{ url: llama.url }, { url: `${service.url}/v1`, models: ['absent'] }, { url: nobody }];
  const reports = await lookAtListed(settingsSchema.parse({ workers }), systemClock);
  expect(reports).toMatchObject([
    { ok: true, engine: 'llama-cpp', version: 'b9999-0c1e570', models: ['m'], load_from: '/slots', notes: [] },
    {
      ok: false,
      engine: 'openai',
      version: null,
      load_from: null,
      notes: [expect.stringContaining('is listed with absent'), expect.any(String)],
    },
    { ok: false, engine: null, models: [], notes: [expect.stringContaining('refuses connections'), expect.any(String)] },
  ]);
  const text = listedText(reports);
  expect(text).toContain(`${llama.url}  llama.cpp b9999-0c1e570: m; tells its load at /slots`);
  expect(text).toContain("OpenAI's API: absent; tells no load");
  expect(listedText([])).toBe('');
});
