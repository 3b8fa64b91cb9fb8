"""Several labels a row: pairs of CIFAR-10 images with two of ten labels, compared by mean average precision (mAP).

labelbench run experiments/multi_label.py:cifar10_pairs --data-root DIR     # DIR/cifar10
labelbench run experiments/multi_label.py:smoke --data-root DIR             # a fifth of the pairs
"""

from labelbench_ray.config import Part, Trial, grid, vary


def cifar10_pairs() -> list[Trial]:
    """Random, margin and badge x 5 seeds x 8 rounds of 100 labels on 25,000 pairs of images, a logistic probe."""
    base = Trial(
        dataset=Part(name="cifar10_pairs"),
        encoder=Part.of("efficientnet_lite0", size=96),
        strategy=Part(name="random"),
        trainer=Part.of("logistic", l2=1e-2),
        seed=0,
        rounds=8,
        budget=100,
    )
    return grid(base, strategy=["random", "margin", "badge"], seed=range(5))


def smoke() -> list[Trial]:
    """The same with a pool of 5,000 pairs."""
    return [vary(trial, dataset=Part.of("cifar10_pairs", max_rows=5000)) for trial in cifar10_pairs()]
