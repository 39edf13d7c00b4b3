import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeScratch, removeAllScratch, removeScratch, scratchFolder, scratchVariables } from '../../../supervisor/engine/scratch.ts';
import { scratchFolder as someFolder } from '../support/scratch.ts';

const ID = 'abc:worker-1:tiny:';

describe('an engine’s folder for temporary files', () => {
  test('lies in the state folder, is the same for every start of a worker’s model, and another for each of these', () => {
    expect(scratchFolder('/srv/.headgate', `${ID}7`)).toMatch(/^\/srv\/\.headgate\/tmp\/[0-9a-f]{12}$/);
    expect(scratchFolder('/srv/.headgate', `${ID}8`)).toBe(scratchFolder('/srv/.headgate', `${ID}7`));
    expect(scratchFolder('/srv/.headgate', 'abc:worker-2:tiny:7')).not.toBe(scratchFolder('/srv/.headgate', `${ID}7`));
    expect(scratchFolder('/srv/.headgate', 'abc:worker-1:large:7')).not.toBe(scratchFolder('/srv/.headgate', `${ID}7`));
  });

  test('leaves room for a socket with the name of a UUID, however deep the state folder lies', () => {
    for (let depth = 0; depth < 120; depth += 1) {
      const stateDir = `/${'é'.repeat(depth)}`;
      expect(Buffer.byteLength(`${scratchFolder(stateDir, `${ID}1`)}/00000000-0000-4000-8000-000000000000`)).toBeLessThanOrEqual(107);
      expect(scratchFolder(stateDir, `${ID}1`)).not.toBe(scratchFolder(`${stateDir}x`, `${ID}1`));
    }
  });

  test('is used for everything but compiled kernels, which are kept where they were', () => {
    expect(scratchVariables('/s', { USER: 'ann' })).toEqual({
      ...{ TMPDIR: '/s', VLLM_RPC_BASE_PATH: '/s', TORCHINDUCTOR_CACHE_DIR: '/tmp/torchinductor_ann' },
    });
    expect(scratchVariables('/s', { LOGNAME: 'a/b', USER: 'x', TMPDIR: '/var/tmp' })).toMatchObject({
      ...{ TORCHINDUCTOR_CACHE_DIR: '/var/tmp/torchinductor_a_b' },
    });
    expect(scratchVariables('/s', { TORCHINDUCTOR_CACHE_DIR: '/k' })).toMatchObject({ TORCHINDUCTOR_CACHE_DIR: '/k' });
    expect(scratchVariables('/s', {})['TORCHINDUCTOR_CACHE_DIR']).toMatch(/^\/tmp\/torchinductor_./);
  });

  test('is empty at each start, and goes with the engine', () => {
    const folder = join(someFolder(), 'tmp', 'x');
    makeScratch(folder);
    writeFileSync(join(folder, 'vllm_dist_1'), '');
    makeScratch(folder);
    expect(existsSync(join(folder, 'vllm_dist_1'))).toBe(false);
    removeScratch(folder);
    expect(existsSync(folder)).toBe(false);
  });

  test('of an earlier life goes with the leftovers, unless its engine goes on', () => {
    const stateDir = someFolder();
    const [kept, gone] = [scratchFolder(stateDir, `${ID}1`), scratchFolder(stateDir, 'abc:worker-2:tiny:1')];
    for (const folder of [kept, gone]) mkdirSync(folder, { recursive: true });
    removeAllScratch(stateDir, new Set([`${ID}4`]));
    expect([existsSync(kept), existsSync(gone)]).toEqual([true, false]);
    removeAllScratch(someFolder(), new Set());
  });
});
