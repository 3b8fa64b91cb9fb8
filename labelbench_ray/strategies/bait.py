"""Batch active learning by Fisher information (Ash et al. 2021): forward-backward greedy for tr(M^-1 F)."""

import math
from typing import ClassVar, Literal

from pydantic import Field

from labelbench_ray.strategies import Strategy, Want, _bait_exact, _bait_scalar
from labelbench_ray.strategies._bait_design import Counts, information
from labelbench_ray.types import BLOCK_ROWS, Ask, Ids, PoolView

EXACT_LIMIT = 5_000
EXACT_BYTES = 4 * 2**30


class Bait(Strategy):
    """The rows whose labels give the last layer the most information about the pool.

    Minimizes tr(M^-1 F): F is the mean Fisher information of all labeled and choosable rows, and M = ridge
    + (sum over the labeled) / (L + budget) + (sum over the chosen) * budget / (L + budget), weights as in the authors'
    code. Forward, the row that lowers it most is added, `oversample` * budget times; backward, the chosen row whose
    removal raises it least is taken out, until the budget is left.

    `scalar` replaces a row's Fisher information (diag p - p p^T) x h h^T by its trace over the classes, (1 - sum p^2)
    h h^T; the greedy of that objective is exact up to rounding. `exact` takes the whole matrix, for small K*D.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "probabilities", "labels")
    labels_as_places: ClassVar[bool] = True
    cost: ClassVar[str] = "N·D·2b forward, D·b² backward"
    guarantee: ClassVar[str] = (
        "approximate by default: each row's Fisher information is replaced by its trace over the classes; "
        '`fisher="exact"` takes the complete matrix, for small K·D'
    )
    source: ClassVar[str] = (
        "Ash et al., *Gone Fishing: Neural Active Learning with Fisher Embeddings*, NeurIPS 2021, "
        "[2106.09675](https://arxiv.org/abs/2106.09675)"
    )
    cold_start: ClassVar[bool] = True
    # Probabilities that are all alike leave a design on the embeddings alone.

    fisher: Literal["scalar", "exact"] = "scalar"
    """`exact` takes some matrices of (K*D)^2 float64 and 32 K^2 bytes a row; K*D is 5,000 at most."""
    oversample: float = Field(default=2.0, ge=1)
    """How many times the budget the forward greedy picks; no more than what is unlabeled."""
    ridge: float = Field(default=1e-2, ge=1e-6)
    """The multiple of the identity in M, in units of F's mean diagonal entry."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        forward_backward = _bait_scalar.forward_backward
        if self.fisher == "exact":
            _refuse_large(view)
            forward_backward = _bait_exact.forward_backward
        labeled = len(view.labeled_L)
        design = information(view, self.fisher == "exact").design(self.ridge, labeled, budget)
        added = min(view.num_unlabeled, math.ceil(self.oversample * budget))
        return forward_backward(view, design, Counts(added, added - budget), budget / (labeled + budget), key)


def _refuse_large(view: PoolView) -> None:
    dimensions = view.embeddings(view.open_ids()[:1]).shape[1]
    if view.num_classes * dimensions > EXACT_LIMIT:
        raise ValueError(
            f"fisher: 'exact' needs K*D of at most {EXACT_LIMIT}; this pool has {view.num_classes} classes x "
            f"{dimensions} dimensions = {view.num_classes * dimensions}; use fisher='scalar'"
        )
    if 32 * view.num_classes**2 * max(view.num_unlabeled, BLOCK_ROWS) > EXACT_BYTES:
        raise ValueError(
            f"fisher: 'exact' keeps 32 K^2 bytes a row, {EXACT_BYTES / 2**30:.0f} GiB at most; this pool has "
            f"{view.num_unlabeled} rows to choose from and {view.num_classes} classes; use fisher='scalar', or a "
            "'subsample' of the rows"
        )
