"""BALD by dropout: what the labels would reveal about the model (Houlsby et al. 2011; Gal et al. 2017)."""

from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from labelbench_ray.pool.probabilities import entropy, softmax
from labelbench_ray.strategies import RankingStrategy, Want
from labelbench_ray.strategies._head import Head, last_layer
from labelbench_ray.strategies._ranking import Score, subkey
from labelbench_ray.types import Block, Floats, PoolView

ROUNDING = 1e-6
"""Information that is a smaller share of the entropy is a rounding error, which may be negative, and counts as 0."""


class Bald(RankingStrategy):
    """The rows with the largest mutual information H(mean_m p_m) - mean_m H(p_m) over dropout passes m.

    Exact for its masks: each pass drops the same features of all rows before the proxy's last layer, which is
    recovered from its probabilities (`_head.py`). `passes` is the number of masks; `dropout` the share of features
    that each drops (the others are scaled up by 1 / (1 - dropout)).
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities")
    cost: ClassVar[str] = "passes·N·D·K"
    guarantee: ClassVar[str] = (
        "exact for its masks: dropout before the last layer, the same for all rows; the recovered last layer is "
        "wrong where nearly all rows have logits more than 87 apart, which read 0 in float32"
    )
    source: ClassVar[str] = (
        "Houlsby et al. 2011, [1112.5745](https://arxiv.org/abs/1112.5745); Gal et al., ICML 2017, "
        "[1703.02910](https://arxiv.org/abs/1703.02910)"
    )
    passes: PositiveInt = 10
    dropout: float = Field(0.5, gt=0, lt=1)

    def scorer(self, view: PoolView, key: int) -> Score:
        head = last_layer(view, key)
        masks = [self._mask(len(head.weight_DK), subkey(key, f"pass {number}")) for number in range(self.passes)]
        return partial(_information, head=head, masks=masks)

    def _mask(self, dimensions: int, key: int) -> Floats:
        kept_D = np.random.default_rng(key).random(dimensions) >= self.dropout
        return (kept_D / (1 - self.dropout)).astype(np.float32)


def _information(block: Block, head: Head, masks: list[Floats]) -> NDArray[np.float64]:
    total_BK = np.zeros((len(block.ids_B), len(head.bias_K)), np.float32)
    noise_B = np.zeros(len(block.ids_B))
    for mask_D in masks:
        dropped = Head(head.weight_DK * mask_D[:, None], head.bias_K)
        probabilities_BK = softmax(dropped.logits(block.embeddings_BD))
        total_BK += probabilities_BK
        noise_B += entropy(probabilities_BK)
    total_BK /= len(masks)
    entropy_B = entropy(total_BK)
    information_B: NDArray[np.float64] = entropy_B - noise_B / len(masks)
    information_B[information_B < ROUNDING * entropy_B] = 0
    return information_B
