"""Active multi-task learning (arXiv 2202.00911, 2306.02556): fewer labels of the tasks that a target does not need?

labelbench run experiments/multitask.py

The strategy `task_relevance` with norm l1, l2 and uniform, on the same data. The report's section "Which tasks the
target learns from" has rows of each task, predicted and measured risk.

- synthetic_tasks: 24 linear tasks and a target of 300 rows, an instance of each of three kinds: the target is a sum of
  two tasks (sparse); two thirds of the tasks are nearly equal (repo); one task alone has the target's direction (skew).
  Test rows have no noise, so their mean squared error is the excess risk. benchmarks/multitask.py has more instances.
- digits_tasks: "is it this digit?" for 10 digits under 4 corruptions; the target is an inverted 3 with 40 rows.
- banking77_tasks: "is it about this group of intents?"; the target is one group with 40 rows.
"""

from labelbench_ray.config import Part, Trial, grid

NORMS, SEEDS = ("l1", "l2", "uniform"), range(10)
SOURCES = 24
INVERTED_3 = 15
"""4 times the digit, plus the place of the corruption in identity, noise, rotate, invert."""
TRANSFERS = 3


def multitask() -> list[Trial]:
    """10 seeds x 3 norms x (3 kinds of made-up instances, digits, Banking77)."""
    return [*_synthetic(), *_digits(), *_banking77()]


def _synthetic() -> list[Trial]:
    data = [Part.of("synthetic_tasks", kind=kind, rows_per_task=2500) for kind in ("sparse", "repo", "skew")]
    proxy = Part.of("multitask_linear", target=SOURCES, rank=3)
    return [trial for each in data for trial in _trials(each, Part.of("numbers", columns=16), proxy, budget=900)]


def _digits() -> list[Trial]:
    proxy = Part.of("multitask_linear", target=INVERTED_3)
    return _trials(Part(name="digits_tasks"), Part(name="pixels"), proxy, budget=400)


def _banking77() -> list[Trial]:
    proxy = Part.of("multitask_linear", target=TRANSFERS)
    return _trials(Part(name="banking77_tasks"), Part(name="sentence"), proxy, budget=200)


def _trials(dataset: Part, encoder: Part, proxy: Part, budget: int) -> list[Trial]:
    """Four rounds of each norm."""
    norms = [Part.of("task_relevance", target=proxy.settings["target"], norm=norm) for norm in NORMS]
    base = Trial(
        dataset=dataset,
        encoder=encoder,
        strategy=norms[0],
        first_batch=norms[0],
        proxy=proxy,
        trainer=Part(name="none"),
        seed=0,
        rounds=4,
        budget=budget,
    )
    return grid(base, strategy=norms, seed=SEEDS)
