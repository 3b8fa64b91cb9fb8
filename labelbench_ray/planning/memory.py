"""An estimate of the memory that a trial's process needs, which Ray reserves for it.

Only private memory counts. Memory-mapped embeddings and decoded images are shared by all processes of a node. The
estimate is a simple sum, meant to be at least what is needed and at most about four times that; `--memory-per-trial`
replaces it where it is wrong. `benchmarks/row_memory.py` measures the figures for each row of the pool.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Final

import psutil  # type: ignore[import-untyped]

from labelbench_ray.encoders import Encoder, Trainable
from labelbench_ray.environment import Environment
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.proxies import LightProxy
from labelbench_ray.proxies.causal_lm_lora import CausalLmLora
from labelbench_ray.proxies.multitask_linear import MultitaskLinear
from labelbench_ray.proxies.none import NoProxy
from labelbench_ray.trial.parts import Parts
from labelbench_ray.types import BLOCK_ROWS

GIB: Final = 2**30
PYTHON: Final = int(0.7 * GIB)
"""Python, torch, Ray and the other packages after their first use."""
FLOAT: Final = 4
DRIVER_ROW: Final = 16
"""Bytes that the driver holds for each row of a store while it checks that their keys are distinct; 9 were measured."""
WORKER_ROW: Final = 32
"""Bytes that a trial's process holds for each pool row, whatever the strategy: ids and masks; 20 were measured."""
SCORER_ROW: Final = 32
"""Bytes that a scorer holds for each of its rows before a strategy asks it for anything; 28 were measured."""
STRATEGY_WORK: Final = GIB // 2
"""A strategy's working memory for a large pool; a small pool is copied several times instead."""
COPIES: Final = 4
MODEL_COPIES: Final = 6
"""Copies of a full model's parameters: weights, gradients, two of the optimizer, the loaded and the written ones."""
PARAMETERS: Final = 100_000_000
"""Assumed if the encoder's weights are not here."""
ACTIVATIONS: Final = 100
"""Bytes that training keeps for each byte of a float32 input image."""
BATCH: Final = 128
"""For trainers without a batch size."""
RAYS_SHARE: Final = 0.7
"""The share of a machine's memory that Ray gives to trials; the rest is for its object store."""


def trial_bytes(built: Parts, rows: Mapping[str, int], classes: int, tasks: int = 1, width: int = 0) -> int:
    """Memory of the process that runs a trial's rounds.

    Args:
        rows: by split.
        tasks: of the pool, by the fact `task`.
        width: D, where the encoder does not state it.
    """
    dimensions = built.encoder.dimensions() or width
    strategy = _strategy(built, rows, classes, dimensions)
    if isinstance(built.proxy, NoProxy):
        return PYTHON + strategy
    if not isinstance(built.proxy, LightProxy):
        return _full(built, built.trainer.model_dump().get("batch_size", BATCH)) + strategy
    labeled = built.trial.rounds * built.trial.budget
    widths = built.proxy.widths(dimensions, classes)
    values = (
        COPIES * labeled * dimensions  # raw, standardized, as a tensor, gathered in batches
        + 2 * rows.get("validation", 0) * dimensions
        + 2
        * COPIES
        * sum(below * above for below, above in pairwise(widths))  # weights, gradients, the optimizer's two
        + COPIES * BLOCK_ROWS * max(widths)  # the block that is scored
    )
    values += _task_sums(built, dimensions, min(tasks, labeled))
    tallies = built.task.bytes_per_row_and_class * classes * sum(rows.values())
    return PYTHON + FLOAT * values + tallies + strategy


def scorer_bytes(built: Parts, pool_rows: int, scorers: int) -> int:
    """Memory of a scorer, which nothing reserves: its rows, and what a strategy has it keep for them."""
    rows = -(-pool_rows // scorers)
    return PYTHON + (SCORER_ROW + built.strategy.bytes_per_row) * rows


def driver_bytes(rows: Mapping[str, int]) -> int:
    """Memory of the process that embeds and closes a store; `rows`: by split."""
    return PYTHON + DRIVER_ROW * sum(rows.values())


def tuning_bytes(built: Parts) -> int:
    """Memory of the process that fine-tunes."""
    assert built.tuning is not None
    if isinstance(built.tuning.model, CausalLmLora):
        # The frozen weights, and as much again for the activations of a batch; adapters are small beside them.
        return PYTHON + 2 * FLOAT * _language_model_parameters(built.encoder)
    return _full(built, built.tuning.trainer.model_dump().get("batch_size", BATCH))


def reserved_bytes(environment: Environment, estimated: int) -> int:
    """The memory reserved for each trial: the user's value, or the estimate."""
    given = environment.memory_per_trial
    return estimated if given is None else max(1, int(given * GIB))


def reservable_bytes(estimated: int, machines: Iterable[float]) -> int:
    """The estimate, capped at the largest machine's memory: a rough estimate must not keep trials waiting for ever.

    Trials then run one at a time there. A value that the user gives is not capped.
    """
    return min(estimated, int(max(machines, default=estimated)))


def at_once_here(environment: Environment, memory: int) -> int:
    """How many trials that reserve this much memory a local Ray runs at once."""
    cpus: float = (psutil.cpu_count() or 1) // environment.cpus_per_trial
    fit = RAYS_SHARE * psutil.virtual_memory().total // memory
    return int(min(cpus, max(fit, 1) if environment.memory_per_trial is None else fit))


def _strategy(built: Parts, rows: Mapping[str, int], classes: int, dimensions: int) -> int:
    pool = rows.get("pool", 0)
    orders = built.strategy.bytes_per_row_and_class * classes * pool
    work = min(STRATEGY_WORK, COPIES * FLOAT * pool * dimensions)
    return (WORKER_ROW + built.strategy.bytes_per_row) * pool + work + orders


def _task_sums(built: Parts, dimensions: int, tasks: int) -> int:
    """A proxy of several tasks holds sums of D x D float64 for each half of every task's rows, and for both."""
    return 3 * 2 * tasks * dimensions**2 if isinstance(built.proxy, MultitaskLinear) else 0


def _full(built: Parts, batch: int) -> int:
    shape = built.encoder.shape() if isinstance(built.encoder, Trainable) else (224, 224, 3)
    height, width, channels = shape
    values = MODEL_COPIES * _parameters(built.encoder) + ACTIVATIONS * batch * height * width * channels
    return PYTHON + FLOAT * values


def _language_model_parameters(encoder: Encoder) -> int:
    """Of a transformer of usual proportions, 12 D^2 a block and 2 blocks for every 64 dimensions; 7e9 for D = 4,096."""
    width = encoder.dimensions()
    return max(PARAMETERS, 12 * width * width * width // 120)


@cache
def _parameters(encoder: Encoder) -> int:
    if not isinstance(encoder, Trainable):
        return PARAMETERS
    try:
        return sum(parameter.numel() for parameter in encoder.network().parameters())
    except NotProvidedError:
        return PARAMETERS
