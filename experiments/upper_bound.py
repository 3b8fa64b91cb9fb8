"""How much is left to gain: strategies beside `oracle_batch`, an upper bound that sees labels.

labelbench run experiments/upper_bound.py
"""

from labelbench_ray.config import Trial, grid


def digits() -> list[Trial]:
    """4 strategies and the bound x 5 seeds x 8 rounds of 25 labels on 1,257 digits, a logistic probe on the pixels."""
    base = Trial(dataset="digits", encoder="pixels", strategy="random", trainer="logistic", seed=0, rounds=8, budget=25)
    return grid(base, strategy=["random", "margin", "badge", "entropy", "oracle_batch"], seed=range(5))
