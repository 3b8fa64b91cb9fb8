"""Continual active learning (Das et al. 2023, arXiv 2305.06408): the same accuracy for less training?

labelbench run experiments/continual.py

Every trainer that goes on from the last round beside training from scratch, on the same data. The report's section
"Continuing from the last round instead of training from scratch" has row passes, accuracy and what was forgotten.

- digits: 64-128-10 network, entropy, 8 rounds of 60 labels, batches of 20 newest and 20 older rows; a fit ends once its
  steps see 99 % of their newest rows right.
- digits, 20 rounds of 60, with twice as many older rows as newest ones (the default of der, mir and sds2).
"""

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


def continual() -> list[Trial]:
    """10 seeds x 7 trainers x (8 rounds with as many older rows as newest ones, 20 rounds with twice as many)."""
    base = Trial(
        dataset=Part(name="digits"),
        encoder=Part(name="pixels"),
        strategy=Part(name="entropy"),
        proxy=Part.of("shallow", hidden=128),
        trainer=scratch(),
        seed=0,
        rounds=8,
        budget=60,
    )
    few = grid(base, trainer=trainers(older_per_newest=1.0), seed=range(10))
    return few + grid(vary(base, rounds=20), trainer=trainers(older_per_newest=2.0), seed=range(10))


def scratch() -> Part:
    """All labels in every round, from fresh weights."""
    return Part.of("supervised", batch_size=40, learning_rate=0.002, **UNTIL)


def trainers(older_per_newest: float) -> list[Part]:
    """From scratch, from the last round's weights on all labels, on the newest ones alone, and with replay."""
    replay: dict[str, JsonValue] = {"batch_size": 20, "learning_rate": 0.002, **UNTIL}
    return [
        scratch(),
        Part.of("warm_start", trainer=scratch()),
        *(Part.of(name, older_per_newest=older_per_newest, **replay) for name in REPLAYING),
    ]
