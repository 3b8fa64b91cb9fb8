"""Which parts of a trial go together: payload and encoder, encoder and augmentation, strategy and proxy."""

from collections.abc import Iterator

from labelbench_ray import plugins, tasks
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.config import Trial
from labelbench_ray.datasets import Dataset, Modality
from labelbench_ray.encoders import Encoder
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy
from labelbench_ray.strategies import PACKAGE, Strategy
from labelbench_ray.tasks import Task


def check_modality(trial: Trial, dataset: Dataset, encoder: Encoder) -> None:
    """Refuse an encoder of another kind of payload than the data set's."""
    holds = Modality.of(dataset.modality(), f"dataset {trial.dataset}")
    embeds = Modality.of(encoder.payload, f"encoder {trial.encoder}")
    if holds != embeds:
        raise ConfigError(
            f"encoder {trial.encoder} embeds {embeds.traits.plural}, the data set {trial.dataset} holds "
            f"{holds.traits.plural}; choose an encoder that fits (`labelbench list encoders`)"
        )


def check_views(trial: Trial, encoder: Encoder, wanted: WantedViews | None) -> None:
    """Refuse augmented views of another kind of payload than the encoder's."""
    payload = Modality.of(encoder.payload)
    if wanted and wanted.augmentation.payload != payload:
        changes = Modality.of(wanted.augmentation.payload, f"augmentation {wanted.recipe['name']}")
        fits = payload.traits.augmentation
        fix = "no augmentation fits, so use a trainer that needs none, such as 'logistic' or 'supervised'"
        if fits:
            fix = f'choose one that fits, as in augmentation="{fits}" (`labelbench list augmentations`)'
        raise ConfigError(
            f"trainer {trial.trainer}: the augmentation {wanted.recipe['name']!r} changes "
            f"{changes.traits.plural}, the encoder {trial.encoder} embeds {payload.traits.plural}; {fix}"
        )


def check_features(trial: Trial, proxy: Proxy, strategy: Strategy, first_batch: Strategy, task: Task) -> None:
    """Refuse strategies that read the features of a proxy's last layer, where the proxy has none."""
    if proxy.has_features:
        return
    for what, named, chooses in (
        ("strategy", trial.strategy, strategy),
        ("first_batch", trial.first_batch, first_batch),
    ):
        for each in _with_inner(chooses):
            if "embeddings" in each.wants:
                own = "" if each is chooses else f"{type(each).__module__.rpartition('.')[2]!r} "
                fits = ", ".join(_without_features(task))
                raise ConfigError(
                    f"{what} {named}: {own}reads embeddings as a proxy's last layer sees them, and the proxy "
                    f"{trial.proxy} has none; use the proxy 'linear', or one of: {fits}"
                )


def _with_inner(strategy: Strategy) -> Iterator[Strategy]:
    """A strategy and those in its settings."""
    yield strategy
    for inner in strategy.inner_plugins().values():
        if isinstance(inner, Strategy):
            yield from _with_inner(inner)


def _without_features(task: Task) -> list[str]:
    """The strategies that serve the data set's task without features."""
    found = {name: plugins.load(Strategy, PACKAGE, name) for name in tasks.serving(Strategy, PACKAGE, task.kinds())}
    return [name for name, each in found.items() if not {"embeddings", "facts"} & {*each.wants}]
