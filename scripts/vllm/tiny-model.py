"""Makes the folder of a model that vLLM can serve with weights of chance: dimensions, tokenizer, chat template; no weights.

usage: tiny-model.py FOLDER TEXT

The tokenizer is trained on TEXT, a file, and on words invented by a fixed rule, so that every machine gets the same one.
"""

import json
import os
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 4096
CONTEXT = 1024
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def invented_words(count):
    """The same words each time, by a generator of its own."""
    state = 1
    for _ in range(count):
        word = ""
        for _ in range(7):
            state = (state * 1103515245 + 12345) % 2**31
            word += "abcdefghijklmnoprstuvwz"[state // 65536 % 23]
        yield word


def make_tokenizer(text):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text, " ".join(invented_words(2000))], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = TEMPLATE
    return fast


def main(folder, text_file):
    with open(text_file, encoding="utf8") as file:
        tokenizer = make_tokenizer(file.read())
    if len(tokenizer) != VOCABULARY:
        sys.exit(f"the tokenizer has {len(tokenizer)} tokens, not {VOCABULARY}")
    os.makedirs(folder, exist_ok=True)
    tokenizer.save_pretrained(folder)
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "hidden_act": "silu",
        "attention_bias": False,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }
    # config.json is written last: where it is, the folder is whole.
    for name, content in [("generation_config.json", {"eos_token_id": tokenizer.eos_token_id}), ("config.json", config)]:
        with open(os.path.join(folder, name), "w", encoding="utf8") as file:
            json.dump(content, file)


main(*sys.argv[1:])
