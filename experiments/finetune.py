"""The full model beside the linear probe on the same labels: CIFAR-10 with EfficientNet-Lite0 at 96 pixels.

labelbench run experiments/finetune.py --data-root DIR        # DIR/cifar10 holds the images
labelbench finetune experiments/finetune.py --data-root DIR
"""

from labelbench_ray.config import FineTune, Part, Trial, grid


def finetune() -> list[Trial]:
    """3 seeds of 1,000 random labels of a pool of 5,000 images; on two cores some minutes."""
    base = Trial(
        dataset=Part.of("cifar10", max_rows=5000),
        encoder=Part.of("efficientnet_lite0", size=96),
        strategy=Part(name="random"),
        seed=0,
        rounds=1,
        budget=1000,
        finetune=FineTune(
            model=Part(name="full_model"),
            trainer=Part.of(
                "supervised",
                epochs=10,
                patience=10,
                batch_size=32,
                learning_rate=5e-4,
                warmup_steps=50,
                gradient_clip=1.0,
                mixup=0.0,
            ),
        ),
    )
    return grid(base, seed=range(3))
