"""The first minute: which strategy to use for handwritten digits, on a laptop, with nothing to download.

labelbench run experiments/quickstart.py
"""

from labelbench_ray.config import Part, Trial, grid


def quickstart() -> list[Trial]:
    """4 strategies x 10 seeds x 10 rounds of 30 labels on 1,257 digits, a linear proxy on the pixels."""
    base = Trial(
        dataset=Part(name="digits"),
        encoder=Part(name="pixels"),
        strategy=Part(name="random"),
        trainer=Part(name="logistic"),
        seed=0,
        rounds=10,
        budget=30,
    )
    return grid(base, strategy=["random", "confidence", "margin", "entropy"], seed=range(10))
