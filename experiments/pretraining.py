"""Labels that a pretrained network saves against the same network trained from scratch, end to end.

labelbench run experiments/pretraining.py      # scikit-learn's digits, which ship with it; two cores
"""

from labelbench_ray.config import Part, Trial, grid


def pretraining() -> list[Trial]:
    """{pretrained, random weights} x 5 seeds, 5 rounds of 40 random labels of digits at 32 pixels, 80 steps a fit.

    Both learn the statistics of batch normalization anew, so that nothing but the first weights differs.
    """
    base = Trial(
        dataset=Part(name="digits"),
        encoder=Part.of("efficientnet_lite0", size=32),
        strategy=Part(name="random"),
        seed=0,
        rounds=5,
        budget=40,
        proxy=Part.of(
            "full_model",
            validation_rows=100,
            frozen_statistics=False,
            augmentation=Part.of("images", flip=False),  # a flipped digit is another sign
        ),
        trainer=Part.of(
            "supervised",
            mixup=0.0,
            learning_rate=1e-3,
            epochs=16,
            epoch_steps=5,
            patience=16,
            batch_size=32,
            warmup_steps=8,
            gradient_clip=1.0,
        ),
    )
    encoders = [Part.of("efficientnet_lite0", size=32), Part.of("efficientnet_lite0_random", size=32)]
    return grid(base, seed=range(5), encoder=encoders)
