"""Each class's order of the pool, which GALAXY and DIRECT cut in two, and the answers that they ask for.

Both order rows by the score p_k - max p + 1e-8 max p, largest first: those predicted as class k, surest first, then the
others by how much k loses to their winner. Here that is a *loss*, smallest first, never negative:

    (max p - p_k) + 1e-8 (1 - max p), and from 1/2 on 1/4 / (1 - (max p - p_k)), which is 1/2 there and rises with it.

The order is the same. But 1 - max p is summed from the other classes, so that rows of which the proxy is sure, for the
class or against it, keep their order in float32 although their largest probability reads 1.0.
"""

from functools import partial

import numpy as np

from labelbench_ray.pool import probabilities
from labelbench_ray.types import Ask, Block, Floats, Ids, Shard

EPSILON = np.float32(1e-8)
LEAST_MASS = np.float32(1e-37)
"""Where the other classes' mass underflows, rows tie."""


def required(ask: Ask | None, strategy: str, num_classes: int) -> Ask:
    """`ask`, with its answers checked.

    Raises:
        ValueError: there is none, or (when it is called) it answers with anything but one class for each id.
    """
    if ask is None:
        raise ValueError(
            f"ask: {strategy} needs answers before its batch is complete, and was given no `ask`; pass ask=, "
            "a function that takes pool ids and returns their labels"
        )
    return partial(_checked, ask, num_classes)


def placed(shard: Shard) -> Ids:
    """(R,) ascending ids of the rows that have a place in the orders: those that may be chosen and the labeled ones."""
    return shard.ids_S[shard.open_S | shard.labeled_S]


def loss_columns(shard: Shard, classes_G: Ids) -> Floats:
    """(G, R) losses of the shard's placed rows in these classes' orders."""
    ids_R = placed(shard)
    columns_GR = np.empty((len(classes_G), len(ids_R)), np.float32)
    filled = 0
    for block in shard.among(ids_R):
        columns_GR[:, filled : filled + len(block.ids_B)] = losses(block, classes_G)
        filled += len(block.ids_B)
    return columns_GR


def losses(block: Block, classes_G: Ids) -> Floats:
    """(G, B) losses of a block's rows.

    Raises:
        ValueError: a probability is NaN or infinite.
    """
    top_B = block.probabilities_BK.max(axis=1)
    rest_B = probabilities.others(block.probabilities_BK).sum(axis=1)
    mass_BG = block.probabilities_BK[:, classes_G]
    losses_BG: Floats = top_B[:, None] - mass_BG
    losses_BG += EPSILON * rest_B[:, None]
    mass_BG += np.maximum(rest_B, LEAST_MASS)[:, None]
    np.divide(np.float32(0.25), mass_BG, out=losses_BG, where=losses_BG >= 0.5)
    return losses_BG.T


def midway(first: float, second: float) -> float:
    """The loss of the mean of max p - p_k, for two ascending losses."""
    if second < 0.5:
        return (first + second) / 2
    mass = ((1 - first if first < 0.5 else 0.25 / first) + 0.25 / second) / 2
    return 1 - mass if mass > 0.5 else 0.25 / mass


def _checked(ask: Ask, num_classes: int, ids_C: Ids) -> Ids:
    answer = ask(ids_C.copy())  # theirs to change
    try:
        labels = np.asarray(answer)
    except ValueError as error:
        raise ValueError(
            f"ask: answered {answer!r} for {len(ids_C)} ids; it must return one integer for each"
        ) from error
    if labels.shape != ids_C.shape or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"ask: answered {labels.dtype} of shape {labels.shape} for {len(ids_C)} ids; "
            "it must return one integer label for each"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"ask: answered {labels.min()} .. {labels.max()}; labels must lie in 0 .. {num_classes - 1}")
    return labels.astype(np.int64, copy=False)
