"""A causal language model with low-rank adapters: what it is trained on, what it makes of responses, what it answers.

Imports torch and peft at its top; plans and commands do without.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from labelbench_ray.datasets import Payload
from labelbench_ray.encoders import Device
from labelbench_ray.encoders._prompts import as_prompt
from labelbench_ray.encoders.causal_lm import CausalLm
from labelbench_ray.encoders.networks.causal_lm_models import fetch_model, tokenizer_of
from labelbench_ray.encoders.networks.causal_lm_network import end_tokens, left_padded
from labelbench_ray.errors import DataError
from labelbench_ray.proxies.causal_lm_lora import CausalLmLora

BATCH = 8
"""Prompts that are measured at a time."""


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt as the model reads it, and the response that it shall give, its end token included."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A model with adapters on one device."""

    model: PeftModel
    tokenizer: Any
    device: Device

    @property
    def end(self) -> int | None:
        """The token that ends a response; None where the model knows none."""
        known = end_tokens(self.model, self.tokenizer)
        return known[0] if known else None

    def example(self, prompt: Payload, response: str) -> Example:
        """The tokens of a prompt, templated as the encoder does, and of its response."""
        read = as_prompt(prompt, self.tokenizer).tokens(self.tokenizer)
        written = self.tokenizer(response, add_special_tokens=False, verbose=False)["input_ids"]
        return Example(tuple(read), (*written, *([] if self.end is None else [self.end])))

    def negative_log_likelihoods(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """(B,) of each response given its prompt, in nats, summed over its tokens."""
        found_B = np.zeros(len(examples))
        for places in _batches([len(each.prompt) + len(each.response) for each in examples]):
            rows = [[*examples[place].prompt, *examples[place].response] for place in places]
            sizes_B = torch.tensor([len(examples[place].response) for place in places], device=self.device)
            longest = int(sizes_B.max())
            tokens_BT, mask_BT = left_padded(rows, self.device)
            logits_BRV = self._logits(tokens_BT, mask_BT, longest + 1)[:, :-1].float()
            costs_BR = torch.nn.functional.cross_entropy(
                logits_BRV.transpose(1, 2), tokens_BT[:, -longest:], reduction="none"
            )
            counted_BR = torch.arange(longest, 0, -1, device=self.device)[None, :] <= sizes_B[:, None]
            found_B[places] = (costs_BR.double() * counted_BR).sum(dim=1).cpu().numpy()
        return found_B

    def answers(self, prompts: Sequence[Payload], most_tokens: int) -> list[str]:
        """The greedy answer to each prompt, in text."""
        rows = [as_prompt(prompt, self.tokenizer).tokens(self.tokenizer) for prompt in prompts]
        found = [""] * len(rows)
        ending = end_tokens(self.model, self.tokenizer)
        for places in _batches([len(row) for row in rows]):
            tokens_BT, mask_BT = left_padded([rows[place] for place in places], self.device)
            with torch.inference_mode():
                generated = self.model.generate(  # type: ignore[no-untyped-call]
                    input_ids=tokens_BT,
                    attention_mask=mask_BT,
                    max_new_tokens=most_tokens,
                    do_sample=False,
                    pad_token_id=ending[0] if ending else 0,
                )
            texts = self.tokenizer.batch_decode(generated[:, tokens_BT.shape[1] :], skip_special_tokens=True)
            for place, text in zip(places.tolist(), texts, strict=True):
                found[place] = text.strip()
        return found

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The adapters alone, for a safetensors file."""
        named: Mapping[str, torch.Tensor] = get_peft_model_state_dict(self.model)
        return {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in named.items()}

    def load(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Put `tensors` back.

        Raises:
            DataError: they are of another model.
        """
        named = {name: torch.tensor(array) for name, array in tensors.items()}
        if set(named) != set(self.tensors()):
            raise DataError("not the adapters of this model; give those that belong to it")
        set_peft_model_state_dict(self.model, named)

    def _logits(self, tokens_BT: torch.Tensor, mask_BT: torch.Tensor, keep: int) -> torch.Tensor:
        """(B, keep, V) of the last positions."""
        places_BT = (mask_BT.cumsum(dim=1) - 1).clamp(min=0)
        with torch.inference_mode():
            found = self.model(
                input_ids=tokens_BT,
                attention_mask=mask_BT,
                position_ids=places_BT,
                use_cache=False,
                logits_to_keep=keep,
            )
        logits_BKV: torch.Tensor = found.logits
        return logits_BKV


def adapted(encoder: CausalLm, settings: CausalLmLora, seed: int, device: Device) -> Adapted:
    """The encoder's language model with fresh adapters, which change nothing before they are trained."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    given: dict[str, Any] = {"dtype": getattr(torch, encoder.dtype), "local_files_only": True}
    plain: Any = AutoModelForCausalLM.from_pretrained(fetch_model(encoder.model, encoder.revision), **given)
    depth = int(plain.config.get_text_config().num_hidden_layers)
    chosen = list(range(depth - min(settings.blocks or depth, depth), depth))
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha or 2 * settings.rank,
        lora_dropout=settings.dropout,
        target_modules=list(settings.modules),
        layers_to_transform=chosen,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = get_peft_model(plain, config)
    assert isinstance(model, PeftModel)
    return Adapted(model.to(device), tokenizer_of(encoder.model, encoder.revision), device)


def _batches(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Places of rows of like lengths, the longest first."""
    order_B = np.argsort([-length for length in lengths], kind="stable")
    for start in range(0, len(order_B), BATCH):
        yield order_B[start : start + BATCH]
