"""Makes the folder of a model that is as small as can be: dimensions, tokenizer, chat template, weights of chance (700 KB).

usage: tiny-model.py FOLDER TEXT

The tokenizer is trained on TEXT, a file, and on words invented by a fixed rule, so that every machine gets the same one.
"""

import json
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 4096
CONTEXT = 1024
HIDDEN = 64
INTERMEDIATE = 128
LAYERS = 2
HEADS = 4
KV_HEADS = 2
HEAD = 32
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


def make_weights():
    """Under the names that the architecture has for them; the same ones each time."""
    torch.manual_seed(0)
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for name, shape in {
            "self_attn.q_proj": (HEADS * HEAD, HIDDEN),
            "self_attn.k_proj": (KV_HEADS * HEAD, HIDDEN),
            "self_attn.v_proj": (KV_HEADS * HEAD, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
            "self_attn.q_norm": (HEAD,),
            "self_attn.k_norm": (HEAD,),
            "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
            "mlp.up_proj": (INTERMEDIATE, HIDDEN),
            "mlp.down_proj": (HIDDEN, INTERMEDIATE),
            "input_layernorm": (HIDDEN,),
            "post_attention_layernorm": (HIDDEN,),
        }.items():
            shapes[f"{at}{name}.weight"] = shape
    # What scales is one, what multiplies is chance.
    return {
        name: (torch.ones(shape) if len(shape) == 1 else torch.randn(shape) * 0.1).to(torch.bfloat16)
        for name, shape in shapes.items()
    }


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
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD,
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
    save_file(make_weights(), os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    # config.json is written last: where it is, the folder is whole.
    for name, content in [("generation_config.json", {"eos_token_id": tokenizer.eos_token_id}), ("config.json", config)]:
        with open(os.path.join(folder, name), "w", encoding="utf8") as file:
            json.dump(content, file)


main(*sys.argv[1:])
