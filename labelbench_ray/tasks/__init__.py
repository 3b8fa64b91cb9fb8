"""Tasks: what a label is, how it is learned and how it is measured. One file each.

A data set states its task. Strategies, proxies, trainers and corrupters state which tasks they serve.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from labelbench_ray import plugins
from labelbench_ray.pool.distributions import Distribution
from labelbench_ray.tasks._ranges import Range, range_of
from labelbench_ray.types import Floats, Ids, Labels

if TYPE_CHECKING:
    # At run time it would have every worker that reads a data set import torch.
    from torch import Tensor

PACKAGE = __name__


class Tally(Protocol):
    """Counts over rows, from which all metrics of a split are computed. Tallies of parts add up to that of all."""

    def __add__(self, other: Self, /) -> Self: ...


class Task(plugins.Plugin, ABC):
    """A kind of labels. A task that refines another one is served by all plug-ins that serve that one."""

    dtype: ClassVar[type[np.number[Any]]]
    """Of an array of labels."""
    distribution: ClassVar[Distribution]
    """What a model predicts, and how it is computed from logits."""
    bytes_per_row_and_class: ClassVar[int] = 0
    """Memory that its tallies hold for every pair of a row and a class, while a round is measured."""
    fewest_classes: ClassVar[int] = 2
    """How many a data set needs; of answers that are numbers, one: what they measure."""
    predicted: ClassVar[bool] = True
    """Whether proxies of embeddings predict its labels. Else strategies have no probabilities, a round measures no
    split, and held-out splits may be empty."""
    answers_every_row: ClassVar[bool] = True
    """Whether every answer names a class or a number. Else strategies cannot ask while they choose a batch."""
    further_answers: ClassVar[Mapping[str, int]] = {}
    """What people may answer beside the classes, in words, and the labels that stand for it."""
    instead: ClassVar[Mapping[str, str]] = {}
    """Plug-ins that do not serve it, and what does the same work for it, to name in an error."""
    refusal: ClassVar[str] = ""
    """Why others do not serve it, in words."""
    primary: ClassVar[str]
    """The metric that decides, without its split: "Accuracy" stands for "Test Accuracy". Larger is better."""
    counts_right_rows: ClassVar[bool] = False
    """The primary metric is the share of rows with a right answer, so that a group's is counted row by row."""
    shown: ClassVar[tuple[str, ...]]
    """The metrics that reports compare; the first is the primary one on the test rows."""
    ranges: ClassVar[Mapping[str, Range]] = {}
    """The smallest and the largest value of its metrics, by how their names end: "Accuracy" for "Test Accuracy"."""

    @abstractmethod
    def shape(self, num_classes: int) -> tuple[int, ...]:
        """The shape of one label: () for a number, (K,) for a row."""

    @abstractmethod
    def to_json(self, labels_B: Labels) -> list[JsonValue]:
        """Labels as a round's record holds them, one value each."""

    @abstractmethod
    def from_json(self, answers: Sequence[JsonValue], num_classes: int) -> Labels:
        """The inverse of `to_json`."""

    @abstractmethod
    def class_counts(self, labels_N: Labels, num_classes: int) -> NDArray[np.int64]:
        """(K,) how many of the rows belong to each class."""

    def described(self, labels_N: Labels) -> str:
        """Labels in words, as a plan prints them; "" where the number of rows of each class describes them."""
        return ""

    @abstractmethod
    def in_words(self, column: Any, classes: Sequence[str]) -> Any:  # noqa: ANN401  pyarrow has no types
        """A pyarrow array of labels as one of strings: by the names of their classes; null stays null."""

    @abstractmethod
    def targets(self, labels_B: "Tensor", num_classes: int, smoothing: float) -> "Tensor":
        """(B, K) float32 what the probabilities shall be, smoothed; a trainer may mix them."""

    @abstractmethod
    def loss(self, logits_BK: "Tensor", targets_BK: "Tensor") -> "Tensor":
        """The mean loss of a batch."""

    @abstractmethod
    def validated(self, logits_VK: "Tensor", labels_V: "Tensor") -> tuple[float, float]:
        """The primary metric and the mean loss on validation rows; both decide which epoch is kept."""

    @abstractmethod
    def tally(self, probabilities_BK: Floats, labels_B: Labels) -> Tally:
        """The counts of rows, given their true labels."""

    @abstractmethod
    def of_split(self, split: str, counts: Any) -> dict[str, float]:  # noqa: ANN401  what `tally` returns
        """The metrics of one split under LabelBench's names, each finite or left out; `split` is "Pool", "Test" ..."""

    @abstractmethod
    def of_labeled(self, true_L: Labels, num_classes: int) -> dict[str, float]:
        """How many rows were labeled and how evenly over the classes, counted with the true labels."""

    def of_bought(self, labels_L: Labels) -> dict[str, float]:
        """What the answers that were bought amount to, beside their number. By default, nothing."""
        return {}

    @abstractmethod
    def right_answers(self, probabilities_BK: Floats, labels_B: Labels) -> NDArray[np.int64]:
        """(B,) how many of a row's answers the prediction has right: 0 or 1, or a number of classes."""

    @abstractmethod
    def labeling_accuracy(
        self,
        pool: Any,  # noqa: ANN401  what `tally` returns
        labeled_right: int,
        bought_L: Labels,
        true_L: Labels,
    ) -> float | None:
        """The share of the pool's answers that end up right: by annotators where bought, by the proxy elsewhere.

        None where an answer is not right or wrong.

        Args:
            pool: the tally of the whole pool.
            labeled_right: how many answers of the labeled rows the proxy has right.
            bought_L: what annotators answered.
            true_L: the true labels of the same rows.
        """

    def teaches(self, labels_B: Labels) -> NDArray[np.bool_]:
        """(B,) which answers a model learns from: by default, all."""
        return np.ones(len(labels_B), np.bool_)

    @abstractmethod
    def made_up_labels(self, numbers_B: Ids, num_classes: int) -> Labels:
        """Some label for each of these numbers, to try plug-ins on."""

    @abstractmethod
    def is_label(self, labels_B: Labels, num_classes: int) -> NDArray[np.bool_]:
        """(B,) whether an annotator may answer so, given an array of the right type and shape."""

    @abstractmethod
    def answer_rule(self, num_classes: int) -> str:
        """What labels are, in words: "one class number for each row, 0 .. 9"."""

    @classmethod
    def range_of(cls, metric: str) -> Range:
        """The smallest and the largest value that a metric can have; infinite where the task states none."""
        return range_of(metric, cls.ranges)

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The names of this task and of those that it refines: a plug-in that serves one of them serves this task."""
        return tuple(
            base.__module__.removeprefix(f"{PACKAGE}.")
            for base in cls.__mro__
            if issubclass(base, Task) and base is not Task
        )


class ServesTasks(plugins.Plugin):
    """A plug-in whose work depends on what a label is."""

    tasks: ClassVar[tuple[str, ...]] = ("single_label",)
    """The tasks that it serves, by their names."""
    sees_labels: ClassVar[bool] = False
    """Sees labels that nobody has paid for, so that no list of what fits instead names it."""

    @classmethod
    def serves(cls, kinds: Iterable[str]) -> bool:
        """Whether it serves one of these tasks."""
        return not set(cls.tasks).isdisjoint(kinds)


Served = TypeVar("Served", bound=ServesTasks)


def serving(base: type[Served], package: str, kinds: Iterable[str]) -> list[str]:
    """The plug-ins of a package that serve one of these tasks, sorted; upper bounds are not among them."""
    kinds = tuple(kinds)
    every = {name: plugins.load(base, package, name) for name in plugins.names(package)}
    return [name for name, each in every.items() if each.serves(kinds) and not each.sees_labels]


def create(name: str) -> Task:
    """The task of that name; `ConfigError` (a `ValueError`) names what is unknown."""
    return plugins.build(Task, PACKAGE, plugins.Part(name=name))


def in_a_sentence(metric: str) -> str:
    """A metric's name within a sentence: "Test Accuracy" is "test accuracy", "Test mAP" is "test mAP"."""
    return " ".join(word.lower() if word.isalpha() and word.istitle() else word for word in metric.split())


def names() -> list[str]:
    """The tasks that ship here, sorted."""
    return plugins.names(PACKAGE)
