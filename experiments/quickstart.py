"""The first minute: which strategy to use for handwritten digits, on a laptop, with nothing to download.

labelbench run experiments/quickstart.py
"""

from labelbench_ray.config import Part, Trial, grid


def quickstart() -> list[Trial]:
    """4 strategies x 5 seeds x 8 rounds of 25 labels on 1,257 digits, a linear proxy on the pixels."""
    base = Trial(
        dataset=Part(name="digits"),
        encoder=Part(name="pixels"),
        strategy=Part(name="random"),
        trainer=Part(name="logistic"),
        seed=0,
        rounds=8,
        budget=25,
    )
    return grid(base, strategy=["random", "confidence", "margin", "entropy"], seed=range(5))
