"""What each part contributes: the query strategy, the unlabeled rows, and the pretrained encoder.

labelbench run experiments/ablation.py --data-root DIR    # DIR/cifar10 holds the images; two cores
"""

from labelbench_ray.config import Part, Trial, grid


def ablation() -> list[Trial]:
    """{random, margin} x {supervised, control, flexmatch} x {pretrained, not pretrained} x 5 seeds, 5 rounds of 100.

    A linear probe on 5,000 CIFAR-10 images of 64 pixels; the encoder that is not pretrained has the same architecture.
    The control takes flexmatch's steps on its views without the unlabeled rows, whose contribution is the difference.
    """
    base = Trial(
        dataset=Part.of("cifar10", max_rows=5000),
        encoder=Part.of("efficientnet_lite0", size=64),
        strategy=Part(name="random"),
        seed=0,
        rounds=5,
        budget=100,
    )
    return grid(
        base,
        encoder=[Part.of("efficientnet_lite0", size=64), Part.of("efficientnet_lite0_random", size=64)],
        trainer=["supervised", Part.of("fixmatch", unlabeled_weight=0), "flexmatch"],
        strategy=["random", "margin"],
        seed=range(5),
    )
