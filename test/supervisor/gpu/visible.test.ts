import { expect, test } from 'vitest';
import { usableGpus, visibleGpus } from '../../../supervisor/gpu/visible.ts';
import { reading } from '../support/pretend-smi.ts';

test('CUDA_VISIBLE_DEVICES hides cards as CUDA does it', () => {
  const gpus = ['GPU-aaa', 'GPU-bbb', 'GPU-ccc'].map((uuid, index) => reading('NVIDIA L4', 23034, 8.9, { index, uuid }));
  const seen = (visible: string | undefined) => visibleGpus(gpus, visible).map(({ uuid }) => uuid);
  expect(seen(undefined)).toEqual(['GPU-aaa', 'GPU-bbb', 'GPU-ccc']);
  expect(seen('2,0')).toEqual(['GPU-ccc', 'GPU-aaa']);
  expect(seen('GPU-b')).toEqual(['GPU-bbb']);
  expect(seen('1,7,0')).toEqual(['GPU-bbb']);
  for (const none of ['', '-1', 'none', 'NoDevFiles']) expect(seen(none)).toEqual([]);
});

test('a MIG instance is named by its id, not by the index of its card', () => {
  const gpus = [reading('A100 MIG 3g.40gb', 38_912, 8, { uuid: 'MIG-1', parentUuid: 'GPU-a' })];
  expect(visibleGpus(gpus, 'MIG-1')).toEqual(gpus);
  expect(visibleGpus(gpus, '0')).toEqual([]);
});

test('a card with a fault is not used', () => {
  const [good, bad] = [reading('NVIDIA L4', 23034, 8.9), reading('NVIDIA L4', 23034, 8.9, { fault: 'it is broken' })];
  expect(usableGpus([bad, good])).toEqual([good]);
});
