"""The laws of strategies about equal choices: what must not matter does not matter."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.contracts.law import Law, NotApplicable, require
from labelbench_ray.contracts.pools import Pool, make_pool, softmax64
from labelbench_ray.contracts.settings import sent
from labelbench_ray.contracts.trying import chosen, chosen_on, modeled, require_same, usual_pool, with_facts
from labelbench_ray.pool.blocks import LinearModel
from labelbench_ray.strategies import Strategy
from labelbench_ray.types import BLOCK_ROWS, Ids

BY_KEY: Final = "derive every random choice from `key` (`subkey`, `tie_hash`), and keep nothing between calls"
SHARDS: Final = (1, 2, 7)


def repeats(strategy: Strategy) -> None:
    """Called again, after another call, whatever the global generators hold."""
    pool, other = usual_pool(strategy), usual_pool(strategy, 90, seed=1)
    first = chosen(strategy, pool.view(), 20, pool.truth)
    chosen(strategy, other.view(), 10, other.truth, seed=5)
    again = chosen(strategy, pool.view(), 20, pool.truth)
    require_same("called twice for the same pool and key it chose different rows", first, [again], BY_KEY)


def travels(strategy: Strategy) -> None:
    """Made anew from its settings, and sent to another process, as Ray's workers get it."""
    pool = usual_pool(strategy)
    first = chosen(strategy, pool.view(), 20, pool.truth)
    anew = type(strategy)(**strategy.model_dump(mode="json"))
    others = [chosen(each, pool.view(), 20, pool.truth) for each in (anew, sent(strategy))]
    fix = "let its settings hold all that it is made of: every process makes its own"
    require_same("made anew with the same settings it chose different rows", first, others, fix)


def leaves_inputs_unchanged(strategy: Strategy) -> None:
    """Embeddings, probabilities, labels, facts."""
    pool = usual_pool(strategy)
    before = [array.copy() for array in _arrays(pool)]
    chosen(strategy, pool.view(), 20, pool.truth)
    names = ["embeddings", "probabilities", "labeled ids", "labels", *pool.facts]
    for name, array, copy in zip(names, _arrays(pool), before, strict=True):
        require(np.array_equal(array, copy), f"it changed the {name} of the pool", "copy an array before writing to it")


def takes_read_only_arrays(strategy: Strategy) -> None:
    """As memory maps and Ray's shared memory are."""
    pool = usual_pool(strategy)
    frozen = replace(pool, **{name: getattr(pool, name).copy() for name in ("embeddings", "probabilities", "labels")})
    for array in _arrays(frozen):
        array.flags.writeable = False
    chosen_on("on a pool of read-only arrays", strategy, frozen, 20)


def any_number_of_shards(strategy: Strategy) -> None:
    """One, two or seven, of distinct rows and of rows that tie."""
    pool = usual_pool(strategy, 7 * BLOCK_ROWS - 100, labeled=50)
    alike = replace(pool, embeddings=np.round(pool.embeddings), probabilities=np.full_like(pool.probabilities, 0.25))
    fix = "compute on blocks of `shard.candidates()`, and reduce over `view.map`; a shard alone decides nothing"
    for words, each in (("", pool), (" of tied rows", alike)):
        found = [chosen(strategy, each.view(shards), 30, each.truth) for shards in SHARDS]
        require_same(f"of a pool{words} in 1, 2 and 7 shards it chose different rows", found[0], found[1:], fix)
    if pool.truth.ndim == 1:
        found = [_of_linear(strategy, pool, shards) for shards in SHARDS]
        require_same("of a linear model's pool in 1, 2 and 7 shards it chose different rows", found[0], found[1:], fix)


def linear_models_like_their_probabilities(strategy: Strategy) -> None:
    """Scores differ by float noise of 1e-7 at most; the rows' scores lie much further apart."""
    if "single_label" not in strategy.tasks:
        raise NotApplicable("it serves several labels a row only")
    pool = with_facts(make_pool(200, classes=3, dimensions=4), strategy)
    rng = np.random.default_rng(2)
    weight, bias = np.float32(1 / 3) * rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    explicit = softmax64(pool.embeddings.astype(np.float64) @ weight + bias).astype(np.float32)
    linear = modeled(pool, LinearModel(weight, bias))
    require_same(
        "with a linear model and with its probabilities as an array it chose different rows",
        chosen(strategy, linear, 20, pool.truth),
        [chosen(strategy, replace(pool, probabilities=explicit).view(), 20, pool.truth)],
        "read `block.probabilities_BK` and `block.embeddings_BD`, which every kind of shard has",
    )


def half_precision_like_its_values(strategy: Strategy) -> None:
    """Embeddings in float16 give what their values in float32 give."""
    pool = usual_pool(strategy, 200)
    half = replace(pool, embeddings=pool.embeddings.astype(np.float16))
    full = replace(pool, embeddings=half.embeddings.astype(np.float32))
    require_same(
        "with embeddings in float16 and with the same values in float32 it chose different rows",
        chosen(strategy, half.view(), 100, pool.truth),
        [chosen(strategy, full.view(), 100, pool.truth)],
        "read `block.embeddings_BD`, which is float32, not `shard.raw_SD`",
    )


def _arrays(pool: Pool) -> list[NDArray[Any]]:
    return [pool.embeddings, pool.probabilities, pool.labeled, pool.labels, *pool.facts.values()]


def _of_linear(strategy: Strategy, pool: Pool, shards: int) -> Ids:
    weight = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
    return chosen(strategy, modeled(pool, LinearModel(weight, np.zeros(4, np.float32)), shards), 30, pool.truth)


LAWS: Final[tuple[Law[Strategy], ...]] = (
    Law("chooses the same rows for the same pool and key", repeats),
    Law("chooses the same rows in every process", travels),
    Law("leaves its inputs as they are", leaves_inputs_unchanged),
    Law("takes read-only arrays", takes_read_only_arrays),
    Law("chooses the same rows on any number of shards", any_number_of_shards),
    Law("chooses the same rows with a linear model and with its probabilities", linear_models_like_their_probabilities),
    Law("chooses the same rows for float16 embeddings and their float32 values", half_precision_like_its_values),
)
