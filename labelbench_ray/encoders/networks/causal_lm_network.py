"""A loaded causal language model. Imports torch at the top: see `image_network`.

One prefill gives the embedding and the first token; further tokens are generated greedily on its cache, while running
aggregates take in each distribution.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from labelbench_ray.encoders import Decoded, Device, WithFacts
from labelbench_ray.encoders._prompts import Prompt, constant_prefix, has_template
from labelbench_ray.encoders.networks.image_network import one_thread
from labelbench_ray.encoders.networks.token_statistics import TokenStatistics

BATCHES: dict[Device, int] = {"cpu": 16, "cuda": 64}
PROJECTION_SEED = 0


class CausalLmNetwork:
    """One thread of a CPU, or a GPU."""

    def __init__(
        self,
        folder: Path,
        tokenizer: Any,  # noqa: ANN401  transformers' own types differ by model
        device: Device,
        dtype: str,
        max_new_tokens: int,
        pooling: str,
        project: int | None,
    ) -> None:
        disable_progress_bar()  # type: ignore[no-untyped-call]
        given: dict[str, Any] = {"dtype": getattr(torch, dtype), "local_files_only": True}
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **given)
        self._model = model.to(device).eval()
        self._tokenizer, self._device, self._dtype = tokenizer, device, dtype
        self._max_new_tokens, self._pooling = max_new_tokens, pooling
        self._templated, self._prefix = has_template(tokenizer), constant_prefix(tokenizer)
        self._ends = torch.tensor(end_tokens(self._model, tokenizer), device=device)
        width = int(self._model.config.get_text_config().hidden_size)
        self._projection = None if project is None else gaussian(width, project).to(device)

    @property
    def compute(self) -> str:
        return f"transformers torch {self._dtype} {self._device}"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        """(B, D) embeddings: the prefill alone."""
        return self._in_batches(decoded, 0).embeddings_BD

    def embed_with_facts(self, decoded: Sequence[Decoded]) -> WithFacts:
        """The embeddings, and facts of the greedy answers."""
        return self._in_batches(decoded, self._max_new_tokens)

    def _in_batches(self, decoded: Sequence[Decoded], new_tokens: int) -> WithFacts:
        """Prompts are sorted by length, longest first and ties by position, so that batches have little padding."""
        rows = [Prompt(str(text), self._templated).tokens(self._tokenizer) for text in decoded]
        order_B = np.argsort([-len(row) for row in rows], kind="stable")
        size = BATCHES[self._device]
        with one_thread(), torch.inference_mode():
            parts = [
                self._batch([rows[row] for row in order_B[start : start + size]], new_tokens)
                for start in range(0, len(rows), size)
            ]
        back_B = np.argsort(order_B)
        embeddings_BD = np.concatenate([part.embeddings_BD for part in parts])[back_B]
        names = parts[0].facts
        return WithFacts(
            embeddings_BD, {name: np.concatenate([part.facts[name] for part in parts])[back_B] for name in names}
        )

    def _batch(self, rows: list[list[int]], new_tokens: int) -> WithFacts:
        tokens_BT, mask_BT = left_padded(rows, self._device)
        places_BT = (mask_BT.cumsum(dim=1) - 1).clamp(min=0)
        states: list[Tensor] = []
        hook = self._model.base_model.register_forward_hook(
            lambda module, given, found: states.append(found.last_hidden_state)
        )
        try:
            found = self._model(
                input_ids=tokens_BT,
                attention_mask=mask_BT,
                position_ids=places_BT,
                use_cache=new_tokens > 1,
                logits_to_keep=1,
            )
        finally:
            hook.remove()
        weights_BT = token_weights(rows, self._prefix, tokens_BT.shape[1], self._pooling).to(self._device)
        # What a model computes at padding may be NaN.
        states_BTD = states[0].float().masked_fill(weights_BT[:, :, None] == 0, 0)
        embeddings_BD = torch.einsum("btd,bt->bd", states_BTD, weights_BT)
        if self._projection is not None:
            embeddings_BD = embeddings_BD @ self._projection
        facts = self._answer(found, mask_BT, new_tokens) if new_tokens else {}
        if facts:
            facts["num_prompt_tokens"] = np.array([len(row) for row in rows], np.float64)
        return WithFacts(embeddings_BD.cpu().numpy(), facts)

    def _answer(self, found: Any, mask_BT: Tensor, new_tokens: int) -> dict[str, NDArray[np.float64]]:  # noqa: ANN401
        """The facts of greedy answers, which end with an end token or after `new_tokens`."""
        rows, length_B = len(mask_BT), mask_BT.sum(dim=1)
        statistics, active_B = TokenStatistics(rows, self._device), torch.ones(rows, dtype=torch.bool).to(self._device)
        for step in range(new_tokens):
            token_B = statistics.add(found.logits[:, -1], active_B)
            active_B = active_B & ~torch.isin(token_B, self._ends)
            if step + 1 == new_tokens or not active_B.any():
                break
            mask_BT = torch.cat([mask_BT, torch.ones_like(mask_BT[:, :1])], dim=1)
            found = self._model(
                input_ids=token_B[:, None],
                attention_mask=mask_BT,
                position_ids=(length_B + step)[:, None],
                past_key_values=found.past_key_values,
                use_cache=True,
            )
        return statistics.facts()


def left_padded(rows: list[list[int]], device: Device) -> tuple[Tensor, Tensor]:
    """(B, T) tokens, padded on the left, and (B, T) 1 where there is one; what stands in the padding is never read."""
    longest = max(len(row) for row in rows)
    tokens_BT = torch.zeros(len(rows), longest, dtype=torch.long)
    mask_BT = torch.zeros_like(tokens_BT)
    for place, row in enumerate(rows):
        tokens_BT[place, longest - len(row) :] = torch.tensor(row)
        mask_BT[place, longest - len(row) :] = 1
    return tokens_BT.to(device), mask_BT.to(device)


def token_weights(rows: list[list[int]], prefix: list[int], longest: int, pooling: str) -> Tensor:
    """(B, T) float32 how much each token counts in its prompt's embedding; rows sum to 1.

    The prefix of a template does not count where a prompt begins with it, unless nothing follows it.
    """
    weights_BT = torch.zeros(len(rows), longest)
    for place, row in enumerate(rows):
        skipped = len(prefix) if row[: len(prefix)] == prefix and len(row) > len(prefix) else 0
        counted = len(row) - skipped
        ones_T = torch.arange(1, counted + 1).float() if pooling == "weighted" else torch.ones(counted)
        if pooling == "last_token":
            ones_T[:-1] = 0
        weights_BT[place, longest - counted :] = ones_T / ones_T.sum()
    return weights_BT


def gaussian(width: int, dimensions: int) -> Tensor:
    """(width, dimensions) a random projection that keeps distances in the mean (Johnson and Lindenstrauss 1984)."""
    drawn = np.random.default_rng(PROJECTION_SEED).normal(size=(width, dimensions)) / np.sqrt(dimensions)
    return torch.from_numpy(drawn.astype(np.float32))


def end_tokens(model: Any, tokenizer: Any) -> list[int]:  # noqa: ANN401
    """The tokens that end an answer, as the model's generation settings or its tokenizer state them."""
    stated = getattr(model.generation_config, "eos_token_id", None)
    stated = tokenizer.eos_token_id if stated is None else stated
    return [] if stated is None else [stated] if isinstance(stated, int) else list(stated)
