"""A trial's fingerprint, computed again from its recipe, without importing a module that a stranger's file names."""

from functools import cache
from typing import Any, Final, NamedTuple

from labelbench_ray import corrupters, datasets, encoders, oracles, plugins, proxies, strategies, trainers
from labelbench_ray.config import Trial
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part, Plugin, kinds_of
from labelbench_ray.trial import parts

KINDS: Final[dict[str, tuple[type[Plugin], str]]] = {
    "dataset": (datasets.Dataset, datasets.PACKAGE),
    "encoder": (encoders.Encoder, encoders.PACKAGE),
    "strategy": (strategies.Strategy, strategies.PACKAGE),
    "first_batch": (strategies.Strategy, strategies.PACKAGE),
    "proxy": (proxies.Proxy, proxies.PACKAGE),
    "trainer": (trainers.Trainer, trainers.PACKAGE),
    "corrupter": (corrupters.Corrupter, corrupters.PACKAGE),
    "oracle": (oracles.Oracle, oracles.PACKAGE),
}


class Recomputed(NamedTuple):
    """What follows from a recipe; all but `unchecked` is "" where that states why nothing does."""

    fingerprint: str
    task: str
    unchecked: str = ""


def recomputed(trial: Trial) -> Recomputed:
    """The fingerprint and the task, or why they cannot be computed here."""
    try:
        for field, (base, package) in KINDS.items():
            if foreign := _foreign(getattr(trial, field), base, package):
                return Recomputed("", "", f"{field} {foreign} does not ship with labelbench_ray")
        built = parts.build(trial.model_copy(update={"finetune": None}))
        return Recomputed(built.fingerprint, built.task_name)
    except ConfigError as error:  # a part of another version, or a package that is not installed
        return Recomputed("", "", str(error))


@cache
def is_upper_bound(strategy: str) -> bool:
    """Whether a strategy of this name ships here and sees labels; no other strategy may use it."""
    if strategy not in plugins.names(strategies.PACKAGE):
        return False
    try:
        return plugins.load(strategies.Strategy, strategies.PACKAGE, strategy).sees_labels
    except ConfigError:  # it needs a package that is not installed
        return False


def _foreign(part: Part, base: type[Plugin], package: str) -> str:
    """The first plug-in of a part that a module path names; "" for none."""
    if "." in part.name:
        return part.name
    fields = plugins.load(base, package, part.name).model_fields
    for name, value in part.settings.items():
        if name in fields and Part in kinds_of(fields[name].annotation):
            for text in _names(value):
                if "." in text:
                    return text
    return ""


def _names(value: Any) -> list[str]:  # noqa: ANN401  JSON
    """Every text in a setting that names plug-ins: which of them are names is known only once they are imported."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _names(each)]
