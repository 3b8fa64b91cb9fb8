"""A two-layer Llama with random weights and a vocabulary of bytes, as a folder that transformers reads."""

from pathlib import Path

import torch

CONTEXT, HIDDEN = 256, 64
END, MARKS = "<end>", ("<end>", "<user>", "<system>", "<answer>")
TEMPLATE = (
    "{% for each in messages %}<{{ each['role'] }}>{{ each['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)


def write_language_model(folder: Path, *, chat: bool = False, end_is_likely: bool = False) -> Path:
    """260 tokens: the bytes, and four marks. `end_is_likely`: greedy answers end early, at different lengths."""
    # Importing them takes seconds, and every process of the suite imports this file to collect its tests.
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(MARKS))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    if chat:
        fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=HIDDEN,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        eos_token_id=fast.eos_token_id,
        bos_token_id=None,
        pad_token_id=fast.eos_token_id,
        initializer_range=0.4,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
    if end_is_likely:
        with torch.no_grad():
            model.lm_head.weight[fast.eos_token_id] *= 3
    model.save_pretrained(folder)
    return folder
