"""A campaign as it is begun: what a person states, and the parts that suit the pool for what they leave out."""

from typing import Final

from labelbench_ray import datasets, plugins
from labelbench_ray.answers.formats.stated import NONE_OF_THESE
from labelbench_ray.campaign.choosing import not_served
from labelbench_ray.campaign.label_kinds import KINDS, SEVERAL_CLASSES
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


def begun(
    pool: FoundPool,
    *,
    encoder: Part | None = None,
    proxy: Part | None = None,
    trainer: Part | None = None,
    first_batch: Part | None = None,
    seed: int = 0,
    weight_by_confidence: bool = False,
    several: bool = False,
) -> Campaign:
    """A campaign for a pool, without audit rows yet. None: what suits the pool's modality.

    Args:
        pool: its data set and its classes.
        encoder: what embeds the rows.
        proxy: the model of the labels.
        trainer: how it is fitted.
        first_batch: the strategy while there is no label.
        seed: of every random choice.
        weight_by_confidence: models count each label by its confidence.
        several: ask for several classes a row, also where the data set does not state that.

    Raises:
        ConfigError: a data set of another task, or of a modality without a default encoder.
    """
    dataset = plugins.build(Dataset, datasets.PACKAGE, pool.data.dataset)
    modality = dataset.modality()
    if dataset.task not in KINDS:
        raise ConfigError(f"{pool.data.dataset}: {not_served(dataset.task)}")
    kind = SEVERAL_CLASSES if several else KINDS[dataset.task]
    if encoder is None and modality not in ENCODERS:
        raise ConfigError(f"{pool.data.dataset}: no default encoder for {modality}; give one with --encoder")
    if kind is SEVERAL_CLASSES and weight_by_confidence:
        raise ConfigError(f"--weight-by-confidence: serves one class a row, not {kind.in_words}; leave the option out")
    # Labels in a pool's files are not read as answers: where each is one class, they do not name those of several.
    is_stated = dataset.task == kind.task or "classes" in pool.data.dataset.settings
    classes = pool.classes if is_stated else None
    if kind is SEVERAL_CLASSES and NONE_OF_THESE in map(str.lower, classes or ()):
        raise ConfigError(f"class {NONE_OF_THESE!r}: people write it where a row has no class; give it another name")
    return Campaign(
        dataset=pool.data.dataset,
        encoder=encoder or ENCODERS[modality],
        proxy=proxy or PROXY,
        trainer=trainer or BY_TASK[kind.task][0],
        first_batch=first_batch or FIRST_BATCH,
        seed=seed,
        classes=classes,
        audit_key=audit_key(pool.data.dataset, seed),
        audit_limit="",
        weight_by_confidence=weight_by_confidence,
        data_root=str(pool.data.root),
        versions=versions(),
        task=kind.task,
    )
