"""The traits of a trial's plug-ins: what the report needs to know of them, as data.

`labelbench report` reads ledgers as data and imports no module that they name, so a trial's header records its traits.
Headers of earlier versions have none: the report then takes those of the plug-ins that ship here.
"""

from collections.abc import Mapping
from functools import cache

from labelbench_ray import corrupters, plugins, proxies, strategies, trainers
from labelbench_ray.config import Trial
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.records import Traits
from labelbench_ray.plugins import Part, Plugin
from labelbench_ray.trial.parts import Parts

KINDS: Mapping[str, tuple[type[Plugin], str]] = {
    "strategy": (strategies.Strategy, strategies.PACKAGE),
    "first_batch": (strategies.Strategy, strategies.PACKAGE),
    "proxy": (proxies.Proxy, proxies.PACKAGE),
    "trainer": (trainers.Trainer, trainers.PACKAGE),
    "corrupter": (corrupters.Corrupter, corrupters.PACKAGE),
}


def traits(parts: Parts) -> Traits:
    """The traits of a trial that is about to run."""
    made = _traits({field: getattr(parts, field) for field in KINDS})
    return made.model_copy(update={"metrics": parts.task.shown})


def shipped_traits(trial: Trial) -> Traits:
    """The traits of a trial as far as its plug-ins ship here and take its settings."""
    made = {field: _shipped(field, getattr(trial, field).model_dump_json()) for field in KINDS}
    return _traits({field: plugin for field, plugin in made.items() if plugin is not None})


@cache
def _shipped(field: str, part: str) -> Plugin | None:
    base, package = KINDS[field]
    named = Part.model_validate_json(part)
    if "." in named.name:
        return None
    try:
        return plugins.build(base, package, named)
    except ConfigError:  # a plug-in or a setting of another version
        return None


def _traits(made: Mapping[str, Plugin]) -> Traits:
    trainer, proxy, strategy = made.get("trainer"), made.get("proxy"), made.get("strategy")
    return Traits(
        from_scratch=trainer.from_scratch if isinstance(trainer, trainers.Trainer) else None,
        trains_encoder=isinstance(proxy, proxies.Proxy) and proxy.trains_encoder,
        trains_every_weight=isinstance(proxy, proxies.Proxy) and proxy.trains_every_weight,
        sees_labels=isinstance(strategy, strategies.Strategy) and strategy.sees_labels,
        baselines=tuple(field for field, plugin in made.items() if plugin.is_baseline()),
    )
