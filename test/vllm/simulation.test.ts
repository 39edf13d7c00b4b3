import { describe, expect, test } from 'vitest';
import { DEFAULT_VERSION } from '../../scripts/vllm/environment.ts';
import { serveInside } from '../support/sim-inside.ts';
import { ask } from './ask.ts';
import { readOpen } from './open.ts';
import { metricsOutline } from './metrics-outline.ts';
import { readOutline, readRecorded } from './recorded.ts';
import { foundAgainst } from './run-scene.ts';
import { SCENES, simFlags } from './scene.ts';
import { COMMON_FLAGS } from './server.ts';

test(`the page of metrics of vLLM ${DEFAULT_VERSION}: the same families, types, texts, labels and edges, in the same order`, async () => {
  const [scene] = SCENES;
  await using sim = await serveInside({ model: 'tiny', args: [...COMMON_FLAGS, ...simFlags(scene!), ...scene!.flags] });
  // Both have been asked for something, so that there are series of every family.
  for (const path of ['/v1/models', '/v1/chat/completions', '/nowhere']) await ask(sim.port, { name: path, path });
  const page = await ask(sim.port, { name: 'metrics', path: '/metrics' });
  expect('nothing' in page ? page : metricsOutline(page.body)).toEqual(readOutline(DEFAULT_VERSION));
});

// `npm run test:vllm -- --recorded` shows the same differences in full.
describe.each(SCENES)(`the simulated engine beside recordings of vLLM ${DEFAULT_VERSION}: $name`, (scene) => {
  test('answers every case as the real one did, but for those that are listed as open, and all of them are', async () => {
    const recorded = readRecorded(DEFAULT_VERSION, scene.name);
    if (recorded === null) throw new Error(`nobody has recorded ${scene.name}`);
    expect(scene.cases.map(({ name }) => name).filter((name) => !(name in recorded))).toEqual([]);
    const args = [...COMMON_FLAGS, ...simFlags(scene), ...scene.flags];
    await using sim = await serveInside({ model: 'tiny', args, env: { ...scene.env } });
    const found = await foundAgainst(recorded, scene.cases, sim.port);
    const differing = new Set(found.map((one) => one.case));
    const open = new Set(readOpen(scene.name).simulation);
    expect(found.filter((one) => !open.has(one.case))).toEqual([]);
    expect([...open].filter((name) => !differing.has(name))).toEqual([]);
  });
});
