"""Experiments: a `Trial` is one square of a grid, everything that decides the numbers and nothing that does not.

Where data lies, which hardware there is and how it is shared are environment (the command line's), not part of a
trial.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import Field, JsonValue, NonNegativeInt, PositiveInt, ValidationError

from labelbench_ray.errors import ConfigError, unknown
from labelbench_ray.plugins import Part, Settings
from labelbench_ray.plugins.explanations import explain

__all__ = ["FineTune", "Part", "Trial", "digest", "grid", "tiny", "vary"]

Axis = Iterable[Any]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
"""What names a folder below an experiment's; read from a file, it must not lead out of it."""

TINY_ROUNDS: Final = 2
TINY_BUDGET: Final = 25
TINY_ROWS: Final = 300
SIMULATED: Final = Part(name="simulated")
"""The oracle of a trial that names none."""


class FineTune(Settings):
    """The full model that is trained on what a trial has bought.

    `budgets` are numbers of labels, the first ones bought; none means all of them. `model` is a proxy that trains the
    encoder, `trainer` one by gradient descent; their settings for a large network are not those for a light proxy.
    """

    model: Part = Part(name="full_model")
    trainer: Part = Part.of("supervised", epochs=10, batch_size=32, learning_rate=3e-4, gradient_clip=1.0, mixup=0.0)
    budgets: tuple[PositiveInt, ...] = ()

    def __str__(self) -> str:
        return f"{self.model}, {self.trainer}"


class Trial(Settings):
    """One strategy, seed and budget on one embedded data set: a fold over rounds.

    The parts are given by name, or as a `Part` with settings. `budget` is the number of labels bought in each round,
    the first included. `first_batch` is the strategy that chooses round 0, the same for all trials of one seed, so
    that comparisons are paired.
    """

    dataset: Part
    """Where rows and labels come from."""
    encoder: Part
    """The frozen model that embeds every row once."""
    strategy: Part
    """Decides which rows to label next, from round 1 on."""
    seed: NonNegativeInt
    """Of every random choice; strategies are compared in pairs of equal seeds."""
    rounds: PositiveInt
    budget: PositiveInt
    """Labels bought in each round."""
    proxy: Part = Part(name="linear")
    """The model that is fitted in every round, and whose predictions the strategy reads."""
    trainer: Part = Part(name="supervised")
    """How the proxy is fitted."""
    corrupter: Part = Part(name="clean")
    """The label noise of the annotators."""
    first_batch: Part = Part(name="random")
    """The strategy that chooses round 0, which has no proxy yet."""
    oracle: Part = Field(default=SIMULATED, exclude_if=lambda oracle: oracle == SIMULATED)
    """Who answers. The default is left out of recipes and records: they are as they were before there was a choice."""
    finetune: FineTune | None = None
    """For `labelbench finetune`; does not affect which labels are chosen, so it is not part of the fingerprint."""

    @property
    def chooses_prompts(self) -> bool:
        """It has no proxy: rows are chosen for a language model, which is fine-tuned on their responses."""
        return self.proxy.name == "none"


def grid(base: Trial, **axes: Axis) -> list[Trial]:
    """Every combination of the axes' values over `base`; an axis is any field of a trial.

    Example: `grid(base, strategy=["random", "margin"], seed=range(5))`.

    Raises:
        ConfigError: an axis that is no field, or a value that the field refuses.
    """
    for axis in axes:
        if axis not in Trial.model_fields:
            raise ConfigError(unknown("axis", axis, Trial.model_fields))
        if isinstance(axes[axis], str) or not isinstance(axes[axis], Iterable):
            raise ConfigError(
                f"axis {axis}: {axes[axis]!r} is one value; an axis is a list of them: {axis}=[{axes[axis]!r}]"
            )
    return [vary(base, **dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]


def vary(trial: Trial, **fields: Any) -> Trial:  # noqa: ANN401
    """The trial with some fields replaced, validated anew."""
    try:
        return Trial.model_validate({name: getattr(trial, name) for name in Trial.model_fields} | fields)
    except ValidationError as error:
        raise ConfigError(f"trial: {explain(error)}") from error


def tiny(trials: Iterable[Trial]) -> list[Trial]:
    """The same experiment shrunk to two short rounds on a few hundred rows, for a smoke test."""
    shrunk = (
        vary(
            trial,
            rounds=min(trial.rounds, TINY_ROUNDS),
            budget=min(trial.budget, TINY_BUDGET),
            dataset=Part(name=trial.dataset.name, settings=trial.dataset.settings | {"max_rows": _few(trial.dataset)}),
            trainer=_short(trial.trainer),
            finetune=None
            if trial.finetune is None
            else FineTune(model=trial.finetune.model, trainer=_short(trial.finetune.trainer)),
        )
        for trial in trials
    )
    return list({trial.model_dump_json(): trial for trial in shrunk}.values())


def _short(trainer: Part) -> Part:
    """At most two epochs, of two steps where their number is set, and batches no larger than the tiny budget."""
    most = {"epochs": TINY_ROUNDS, "epoch_steps": TINY_ROUNDS, "batch_size": TINY_BUDGET}
    less = {name: most[name] for name in most if _above(trainer.settings.get(name), most[name])}
    return Part(name=trainer.name, settings=trainer.settings | less)


def _above(given: JsonValue, most: int) -> bool:
    return isinstance(given, int) and given > most


def _few(dataset: Part) -> JsonValue:
    given = dataset.settings.get("max_rows")
    return min(given, TINY_ROWS) if isinstance(given, int) else TINY_ROWS


def digest(recipe: JsonValue) -> str:
    """A short stable hash of JSON data: 16 hexadecimal digits of SHA-256 over its canonical form."""
    canonical = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
