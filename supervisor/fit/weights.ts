import type { ModelShape } from '../profile/schema.ts';

const GIB = 2 ** 30;

/** What the image encoder's weights take, in GiB: `language_model_only` leaves them out. */
export function visionGib(shape: ModelShape): number {
  return ((shape.vision?.parameters_b ?? 0) * 2e9) / GIB;
}
