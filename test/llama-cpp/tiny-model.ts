import { writeFileSync } from 'node:fs';

const LAYERS = 2;
const WIDTH = 64;
const HIDDEN = 128;
const HEADS = 4;
const CONTEXT = 4_096;
const ALIGNMENT = 32;
const [UINT32, FLOAT32, STRING, ARRAY, BOOL, INT32] = [4, 6, 8, 9, 7, 5];
const TEMPLATE =
  "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

/**
 * A model of the llama architecture with random weights and a vocabulary of bytes, as llama.cpp loads it (GGUF version 3, F32): what it
 * says is nonsense, and the same for the same request at temperature 0. 0.4 MB.
 */
export function writeTinyModel(file: string): void {
  const tokens = [
    '<unk>',
    '<s>',
    '</s>',
    ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  ];
  const fields: Buffer[] = [
    text('general.architecture', 'llama'),
    text('general.name', 'tiny'),
    count('llama.block_count', LAYERS),
    count('llama.context_length', CONTEXT),
    count('llama.embedding_length', WIDTH),
    count('llama.feed_forward_length', HIDDEN),
    count('llama.attention.head_count', HEADS),
    count('llama.rope.dimension_count', WIDTH / HEADS),
    field('llama.attention.layer_norm_rms_epsilon', FLOAT32!, float(1e-5)),
    text('tokenizer.ggml.model', 'llama'),
    list('tokenizer.ggml.tokens', STRING!, tokens.map(string)),
    list(
      'tokenizer.ggml.scores',
      FLOAT32!,
      tokens.map(() => float(0)),
    ),
    // Unknown, control, and bytes.
    list(
      'tokenizer.ggml.token_type',
      INT32!,
      tokens.map((_, i) => u32(i === 0 ? 2 : i < 3 ? 3 : 6)),
    ),
    count('tokenizer.ggml.bos_token_id', 1),
    count('tokenizer.ggml.eos_token_id', 2),
    count('tokenizer.ggml.unknown_token_id', 0),
    field('tokenizer.ggml.add_bos_token', BOOL!, Buffer.from([1])),
    text('tokenizer.chat_template', TEMPLATE),
  ];
  const tensors: { name: string; shape: number[] }[] = [
    { name: 'token_embd.weight', shape: [WIDTH, tokens.length] },
    { name: 'output_norm.weight', shape: [WIDTH] },
    { name: 'output.weight', shape: [WIDTH, tokens.length] },
  ];
  for (let layer = 0; layer < LAYERS; layer++) {
    const add = (name: string, ...shape: number[]) => tensors.push({ name: `blk.${layer}.${name}.weight`, shape });
    for (const name of ['attn_norm', 'ffn_norm']) add(name, WIDTH);
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) add(name, WIDTH, WIDTH);
    for (const name of ['ffn_gate', 'ffn_up']) add(name, WIDTH, HIDDEN);
    add('ffn_down', HIDDEN, WIDTH);
  }
  let offset = 0;
  const infos = tensors.map(({ name, shape }) => {
    const info = Buffer.concat([string(name), u32(shape.length), ...shape.map((each) => u64(each)), u32(0), u64(offset)]);
    offset += padded(sizeOf(shape) * 4);
    return info;
  });
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(fields.length), ...fields, ...infos]);
  const random = numbers();
  const data = tensors.map(({ name, shape }) => pad(weights(sizeOf(shape), name.includes('norm') ? () => 1 : () => (random() - 0.5) / 2)));
  writeFileSync(file, Buffer.concat([pad(head), ...data]));
}

function field(key: string, type: number, value: Buffer): Buffer {
  return Buffer.concat([string(key), u32(type), value]);
}

function text(key: string, value: string): Buffer {
  return field(key, STRING!, string(value));
}

function count(key: string, value: number): Buffer {
  return field(key, UINT32!, u32(value));
}

function list(key: string, type: number, values: readonly Buffer[]): Buffer {
  return field(key, ARRAY!, Buffer.concat([u32(type), u64(values.length), ...values]));
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function weights(length: number, next: () => number): Buffer {
  return Buffer.from(Float32Array.from({ length }, next).buffer);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, each) => product * each, 1);
}

function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]);
}

/** The same numbers each time (mulberry32). */
function numbers(): () => number {
  let state = 7;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
