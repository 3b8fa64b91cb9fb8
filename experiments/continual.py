"""Continual active learning (Das et al. 2023, arXiv 2305.06408): the same accuracy for less training?

labelbench run experiments/continual.py
labelbench run experiments/continual.py --data-root DIR    # also CIFAR-10, where DIR has cifar10/train.parquet

Every trainer that goes on from the last round beside training from scratch, on the same data. The report's section
"Continuing from the last round instead of training from scratch" has row passes, accuracy and what was forgotten.

- digits: 64-128-10 network, entropy, 8 rounds of 60 labels, batches of 20 newest and 20 older rows; a fit ends once its
  steps see 99 % of their newest rows right.
- digits, 20 rounds of 60, with twice as many older rows as newest ones (the default of der, mir and sds2).
- CIFAR-10, 1,000 images of 64 pixels: adapters (LoRA) on EfficientNet-Lite0, 5 rounds of 40, else as the first.
"""

import os
from pathlib import Path

from pydantic import JsonValue

from labelbench_ray.config import Part, Trial, grid, vary

UNTIL: dict[str, JsonValue] = {
    "epochs": 200,
    "keep": "last",
    "warmup_steps": 0,
    "mixup": 0.0,
    "label_smoothing": 0.0,
    "until_accuracy": 0.99,
}
REPLAYING = ["experience_replay", "mir", "der", "scaled_distillation", "sds2"]
CIFAR10 = Path(os.environ.get("LABELBENCH_DATA_ROOT", "data")) / "cifar10" / "train.parquet"


def continual() -> list[Trial]:
    """8 trainers x (10 seeds of digits in 8 rounds and in 20, 5 seeds of CIFAR-10 if it is there)."""
    digits = Trial(
        dataset=Part(name="digits"),
        encoder=Part(name="pixels"),
        strategy=Part(name="entropy"),
        proxy=Part.of("shallow", hidden=128),
        trainer=scratch(),
        seed=0,
        rounds=8,
        budget=60,
    )
    images = vary(
        digits,
        dataset=Part.of("cifar10", max_rows=1000),
        encoder=Part.of("efficientnet_lite0", size=64),
        proxy=Part(name="lora"),
        rounds=5,
        budget=40,
    )
    few, twice = trainers(older_per_newest=1.0), trainers(older_per_newest=2.0)
    return (
        grid(digits, trainer=few, seed=range(10))
        + grid(vary(digits, rounds=20), trainer=twice, seed=range(10))
        + (grid(images, trainer=few, seed=range(5)) if CIFAR10.exists() else [])
    )


def scratch() -> Part:
    """All labels in every round, from fresh weights."""
    return Part.of("supervised", batch_size=40, learning_rate=0.002, **UNTIL)


def trainers(older_per_newest: float) -> list[Part]:
    """From scratch, from the last round's weights on all labels, on the newest ones alone, and with replay."""
    newest: dict[str, JsonValue] = {"batch_size": 20, "learning_rate": 0.002, **UNTIL}
    return [
        scratch(),
        Part.of("warm_start", trainer=scratch()),
        Part.of("newest_only", **newest),
        *(Part.of(name, older_per_newest=older_per_newest, **newest) for name in REPLAYING),
    ]
