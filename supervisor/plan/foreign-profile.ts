import type { ProfiledCard } from './cards.ts';
import { BFLOAT16_FROM, FP8_FROM } from '../fit/compatibility.ts';

/** Less of a card than this share of what a profile was made for is worth a word. */
const NEARLY_ALL = 0.97;

/** What will break, or be otherwise than it says, where the settings put a profile on a card that it was not made for; a sentence each. */
export function foreignProfile({ gpu, profile }: ProfiledCard, memoryGib: number | null): string[] {
  if (gpu === null || profile.match === null) return [];
  const { compute_cap: made, memory_gib: room } = profile;
  const has = gpu.computeCap;
  const troubles: string[] = [];
  if (made !== null && has !== null && has < made) {
    if (has < BFLOAT16_FROM && made >= BFLOAT16_FROM)
      troubles.push(
        'it has no bfloat16, so models compute in float16 or cannot run, and attention runs on Triton instead of FlashAttention or FlashInfer',
      );
    if (has < FP8_FROM && made >= FP8_FROM)
      troubles.push(
        `it does not compute in fp8: fp8 weights save memory but not time, and an fp8 KV cache ${has < BFLOAT16_FROM ? 'fails' : 'needs FlashInfer'}`,
      );
    if (troubles.length === 0) troubles.push('kernels that the profile counts on may be missing');
  }
  if (room !== null && memoryGib !== null && memoryGib < room * NEARLY_ALL)
    troubles.push(
      `it has ${memoryGib.toFixed(1)} GiB where the values were chosen for ${room}, so contexts and batches are cut, or memory runs out`,
    );
  const card = `GPU ${gpu.index} (${gpu.name}, compute capability ${has ?? 'unknown'})`;
  return troubles.length === 0 ? [] : [`The profile ${profile.name} was not made for ${card}: ${troubles.join('; ')}.`];
}

/** The same of every card in use, where the settings name a profile. */
export function foreignProfiles(wanted: string, cards: readonly ProfiledCard[]): string[] {
  return wanted === 'auto' ? [] : [...new Set(cards.flatMap((card) => foreignProfile(card, card.facts.memoryGib)))];
}
