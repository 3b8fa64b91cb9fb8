"""What a search must keep to: numeric settings by name, bounds that their plug-ins allow, labels that are all equal."""

from typing import Final

from pydantic import BaseModel

from labelbench_ray.config import Trial
from labelbench_ray.errors import ConfigError, unknown
from labelbench_ray.planning.plan import Plan
from labelbench_ray.planning.search import Distribution, LogUniform, Search, Uniform
from labelbench_ray.plugins import kinds_of
from labelbench_ray.strategies import Strategy
from labelbench_ray.trial import parts
from labelbench_ray.trial.parts import Parts

SEARCHED: Final = ("trainer", "proxy", "encoder")
"""The parts of which settings can be searched. The others decide which rows are labeled, how, and what is measured."""


def check_search(search: Search) -> None:
    """Refuse a search whose trials cannot be built, or would differ in their labels.

    Raises:
        ConfigError: an unknown setting, or one that holds no number; a bound that it refuses; a strategy that reads
            what is searched.
    """
    built = parts.build(search.base)
    for name, distribution in search.over.items():
        _check_setting(built, name, distribution)
        for edge in distribution.edges:
            try:
                parts.build(search.trial({name: edge}))
            except ConfigError as error:
                raise ConfigError(f"search over {name}, {distribution}, at {edge:g}: {error}") from error
    _check_labels(built, search)


def check_validation(planned: Plan) -> None:
    """Refuse data without validation rows: a search is never judged by test rows."""
    for store in planned.stores:
        if store.rows and not store.rows.get("validation", 0):
            raise ConfigError(
                f"search: the data set {store.example.trial.dataset} has no validation rows, by which points are "
                "compared; give it a validation split"
            )


def _check_setting(built: Parts, name: str, distribution: Distribution) -> None:
    field, dot, setting = name.partition(".")
    if not dot or field not in SEARCHED:
        rule = (
            f"search: {name} decides which rows are labeled or what is measured, so its trials cannot be compared; "
            f"search settings of {', '.join(SEARCHED)}, or use grid"
        )
        raise ConfigError(rule if field in Trial.model_fields else f"search: {unknown('part', field, SEARCHED)}")
    plugin = getattr(built, field)
    numeric = _numeric(plugin)
    if setting not in numeric:
        named = f"the {field} {getattr(built.trial, field).name!r}"
        rule = f"search: {name} is not a number in {named}; use grid, or search one of: {', '.join(numeric) or 'none'}"
        raise ConfigError(
            rule
            if setting in type(plugin).model_fields
            else f"search: {unknown(f'setting of {named}', setting, numeric)}"
        )
    if numeric[setting] == {int} and isinstance(distribution, Uniform | LogUniform):
        low, high = (round(edge) for edge in distribution.edges)
        raise ConfigError(f"search: {name} is a whole number; use integers({low}, {high})")


def _numeric(plugin: BaseModel) -> dict[str, set[type]]:
    """The settings of a plug-in that hold a number, each with the kinds of number that it takes."""
    kinds = {name: kinds_of(field.annotation) for name, field in type(plugin).model_fields.items()}
    return {name: each & {int, float} for name, each in kinds.items() if each & {int, float} and bool not in each}


def _check_labels(built: Parts, search: Search) -> None:
    trial = search.base
    if not built.oracle.answers_at_once:
        raise ConfigError(
            f"search: the oracle {trial.oracle} answers between runs; search with one that answers at once"
        )
    forbidden = {"probabilities"}
    if any(name.startswith("encoder.") for name in search.over):
        forbidden |= {"embeddings", "facts"}
    choosing = [("first_batch", trial.first_batch, built.first_batch)]
    if trial.rounds > 1:  # in one round, the first batch is everything
        choosing.append(("strategy", trial.strategy, built.strategy))
    for what, named, strategy in choosing:
        if reads := sorted(_reads(strategy) & forbidden):
            raise ConfigError(
                f"search: the {what} {named} reads {' and '.join(reads)}, which the searched settings change, so that "
                f"trials would differ in their labels; use {what}='random', or rounds=1 and a larger budget"
            )


def _reads(strategy: Strategy) -> set[str]:
    """What a strategy and those inside it read."""
    inner = [each for each in strategy.inner_plugins().values() if isinstance(each, Strategy)]
    return set(strategy.wants).union(*map(_reads, inner))
