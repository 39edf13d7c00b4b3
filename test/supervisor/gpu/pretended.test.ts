import { expect, test } from 'vitest';
import type { GpuReading } from '../../../supervisor/gpu/gpu.ts';
import { type CardSurveyor, PretendedCards } from '../../../supervisor/gpu/pretended.ts';
import { reading } from '../support/pretend-smi.ts';

function surveyor(looks: (readonly GpuReading[])[]): CardSurveyor & { asked: number } {
  const cards = {
    asked: 0,
    survey: async () => ({ gpus: looks[Math.min(cards.asked++, looks.length - 1)] ?? [], problem: null }),
    read: async () => (await cards.survey()).gpus,
    apps: async () => [],
    problem: () => null,
  };
  return cards;
}

const L4 = reading('NVIDIA L4', 23_034, 8.9);
const T4 = reading('Tesla T4', 15_360, 7.5);

test('pretended cards are marked as such, and taken where there is no real one', async () => {
  const cards = new PretendedCards(surveyor([[]]), surveyor([[T4]]));
  expect(await cards.read()).toEqual([{ ...T4, simulated: true }]);
});

test('a real card is taken whatever is pretended, and stays the one that counts while its driver is away', async () => {
  const cards = new PretendedCards(surveyor([[L4], [L4], []]), surveyor([[T4]]));
  expect(await cards.read()).toEqual([L4]);
  expect(await cards.read()).toEqual([]);
});

test('a real card that comes later does not replace the pretended ones under their engines', async () => {
  const real = surveyor([[], [L4]]);
  const cards = new PretendedCards(real, surveyor([[T4]]));
  for (let look = 0; look < 3; look += 1) expect(await cards.read()).toMatchObject([{ name: 'Tesla T4', simulated: true }]);
  expect(real.asked).toBe(1);
});

test('where only pretended cards are wanted, no driver is asked', async () => {
  expect(await new PretendedCards(null, surveyor([[T4]])).read()).toMatchObject([{ simulated: true }]);
});
