import { quantization, type QuantizationName } from '../../../supervisor/profile/quantizations.ts';
import type { ModelShape } from '../../../supervisor/profile/schema.ts';

const GIB = 2 ** 30;

/** The weights of a model in GiB, computed from its dimensions. Embeddings and the image encoder stay in 16 bits. */
export function weightsGib(shape: ModelShape, name: QuantizationName, withVision: boolean): number {
  const { bits, expertsOnly } = quantization(name);
  const embeddings = shape.vocabulary * shape.hidden * (shape.tied_embeddings ? 1 : 2);
  const vision = (shape.vision?.parameters_b ?? 0) * 1e9;
  const wide = embeddings + (expertsOnly ? attentionParameters(shape) : 0);
  const narrow = shape.parameters_b * 1e9 - vision - wide;
  return ((narrow * bits) / 8 + (wide + (withVision ? vision : 0)) * 2) / GIB;
}

function attentionParameters({ layers, attention_heads, kv_heads, head_dim, hidden }: ModelShape): number {
  return layers * hidden * head_dim * 2 * (attention_heads + kv_heads);
}
