"""A campaign as it is begun: what a person states, and the parts that suit the pool for what they leave out."""

from typing import Final

from labelbench_ray import datasets, plugins
from labelbench_ray.campaign.places import FoundPool
from labelbench_ray.campaign.record import Campaign, audit_key
from labelbench_ray.datasets import Dataset
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.quick import BY_TASK, ENCODERS, PROXY
from labelbench_ray.plugins import Part
from labelbench_ray.storage.versions import versions

STRATEGY: Final = Part(name="margin")
FIRST_BATCH: Final = Part(name="typiclust")
"""While there is no label."""
TASK: Final = "single_label"


def begun(
    pool: FoundPool,
    *,
    encoder: Part | None = None,
    proxy: Part | None = None,
    trainer: Part | None = None,
    first_batch: Part | None = None,
    seed: int = 0,
    weight_by_confidence: bool = False,
) -> Campaign:
    """A campaign for a pool, without audit rows yet. None: what suits the pool's modality.

    Raises:
        ConfigError: a data set of another task, or of a modality without a default encoder.
    """
    dataset = plugins.build(Dataset, datasets.PACKAGE, pool.data.dataset)
    modality = dataset.modality()
    if dataset.task != TASK:
        raise ConfigError(f"{pool.data.dataset}: its task is {dataset.task!r}; campaigns serve one label a row")
    if encoder is None and modality not in ENCODERS:
        raise ConfigError(f"{pool.data.dataset}: no default encoder for {modality}; give one with --encoder")
    return Campaign(
        dataset=pool.data.dataset,
        encoder=encoder or ENCODERS[modality],
        proxy=proxy or PROXY,
        trainer=trainer or BY_TASK[TASK][0],
        first_batch=first_batch or FIRST_BATCH,
        seed=seed,
        classes=pool.classes,
        audit_key=audit_key(pool.data.dataset, seed),
        audit_limit="",
        weight_by_confidence=weight_by_confidence,
        data_root=str(pool.data.root),
        versions=versions(),
    )
