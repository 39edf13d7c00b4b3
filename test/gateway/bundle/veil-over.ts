import type { PrivateText } from '../../../gateway/bundle/veil/known-texts.ts';
import { Veil } from '../../../gateway/bundle/veil/veil.ts';

export function veilOver(known: readonly PrivateText[]): Promise<Veil> {
  return Veil.over(known, () => undefined);
}
