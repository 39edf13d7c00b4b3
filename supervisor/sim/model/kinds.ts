/** What a model is able to do, as its name tells; one that is made up (`sim-…`) stands for models of every kind. */
function named(words: RegExp): (name: string) => boolean {
  return (name) => /(?:^|[/-])sim-/i.test(name) || words.test(name);
}

export const seesOrHears = named(/vl(?:\b|-)|vision|omni|llava|pixtral|gemma-?3|multimodal|whisper|audio|voxtral/i);
export const transcribes = named(/whisper|audio|voxtral|granite-speech/i);
/** Its vectors can be cut short. */
export const isMatryoshka = named(/matryoshka|jina-embeddings-v[34]|qwen3-embedding|nomic-embed/i);
