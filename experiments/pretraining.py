"""Labels that pretrained features save against a network that learns from pixels alone.

labelbench run experiments/pretraining.py --data-root DIR      # DIR/cifar10 holds the images; two cores
"""

from labelbench_ray.config import Part, Trial, grid


def pretraining() -> list[Trial]:
    """{pretrained features, pixels} x 5 seeds, 25 rounds of 20 random labels of 5,000 CIFAR-10 images.

    The same network with one hidden layer is trained on either. Batches are small, since a first batch that is enough
    would bound the saving from below only.
    """
    base = Trial(
        dataset=Part.of("cifar10", max_rows=5000),
        encoder=Part.of("pixels", size=32),
        strategy=Part(name="random"),
        seed=0,
        rounds=25,
        budget=20,
        proxy=Part.of("shallow", hidden=256),
    )
    return grid(base, encoder=[Part.of("efficientnet_lite0", size=64), Part.of("pixels", size=32)], seed=range(5))
