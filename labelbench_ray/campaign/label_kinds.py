"""How many classes a row of a campaign has, and everything that follows from it.

Answers name classes. Models learn numbers: (L,) class numbers where a row has one class; where it may have several,
rows of a matrix (L, K) with 1 for a class that is there, as the tasks `single_label` and `multi_label` hold them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np

from labelbench_ray.answers.consensus import Method
from labelbench_ray.answers.consensus.of_events import RowConsensus, of_events
from labelbench_ray.answers.consensus.one_coin import one_coin
from labelbench_ray.answers.consensus.sets_of_events import RowSets, sets_of_events
from labelbench_ray.answers.fold import Vote, complete_sets, each_class
from labelbench_ray.answers.formats.delimited import Split, one_class, split_classes
from labelbench_ray.report.statistics.stopping import overall_uncertainty
from labelbench_ray.types import Floats, Labels

Names = tuple[str, ...]
"""The classes of a row."""


class LabelKind(ABC):
    """One class a row, or several."""

    task: ClassVar[str]
    """The name of the task that models learn."""
    in_words: ClassVar[str]
    counts: ClassVar[range]
    """How many classes an answer may name."""
    is_right: ClassVar[str]
    """What a model does that is right on a row, in words."""
    accuracy: ClassVar[str]
    """What audit rows measure, in words."""
    to_fill_in: ClassVar[str]
    """What people write into the column `label`."""
    split: Split
    """What a cell of labels states."""
    vote: Vote
    """How the answers to a row become its classes."""

    @abstractmethod
    def numbers(self, sets: Sequence[Names], classes: Sequence[str]) -> Labels:
        """The classes of L rows as models learn them."""

    @abstractmethod
    def names(self, labels_B: Labels, classes: Sequence[str]) -> list[Names]:
        """The inverse of `numbers`."""

    @abstractmethod
    def predicted(self, probabilities_BK: Floats) -> tuple[Labels, Floats]:
        """What a model answers to each row, and (B,) the probability that it is right."""

    @abstractmethod
    def uncertainty(self, probabilities_UK: Floats) -> float:
        """The criterion `overall_uncertainty`."""

    @abstractmethod
    def decided(
        self,
        events: Any,  # noqa: ANN401  pyarrow has no types
        classes: Sequence[str],
        method: Method,
    ) -> Mapping[str, tuple[Names, float]]:
        """By row id, the classes that a method of consensus decides on, and their confidence; disputed rows are left
        out.
        """

    @abstractmethod
    def sureness(
        self,
        events: Any,  # noqa: ANN401
        classes: Sequence[str],
    ) -> RowConsensus | RowSets:
        """How sure the labels of rows are, by one-coin consensus."""


class OneClass(LabelKind):
    """One class a row."""

    task = "single_label"
    in_words = "one class a row"
    counts = range(1, 2)
    is_right = "is right"
    accuracy = "accuracy"
    to_fill_in = "fill in the column label"
    split = staticmethod(one_class)
    vote = staticmethod(complete_sets)

    def numbers(self, sets: Sequence[Names], classes: Sequence[str]) -> Labels:
        places = {name: place for place, name in enumerate(classes)}
        return np.array([places[name] for (name,) in sets], np.int64)

    def names(self, labels_B: Labels, classes: Sequence[str]) -> list[Names]:
        return [(classes[label],) for label in labels_B.tolist()]

    def predicted(self, probabilities_BK: Floats) -> tuple[Labels, Floats]:
        return probabilities_BK.argmax(axis=1), probabilities_BK.max(axis=1)

    def uncertainty(self, probabilities_UK: Floats) -> float:
        return overall_uncertainty(probabilities_UK.astype(np.float64))

    def decided(
        self,
        events: Any,  # noqa: ANN401
        classes: Sequence[str],
        method: Method,
    ) -> Mapping[str, tuple[Names, float]]:
        found = of_events(events, classes, method)
        each = zip(found.row_ids, found.consensus.labels_N.tolist(), found.consensus.confidence_N.tolist(), strict=True)
        return {row_id: ((classes[label],), confidence) for row_id, label, confidence in each if label >= 0}

    def sureness(
        self,
        events: Any,  # noqa: ANN401
        classes: Sequence[str],
    ) -> RowConsensus | RowSets:
        return of_events(events, classes, one_coin)


class SeveralClasses(LabelKind):
    """Any number of classes a row, also none: each class is a question of its own."""

    task = "multi_label"
    in_words = "several classes a row"
    counts = range(2**31)
    is_right = "has every class right"
    accuracy = "exact-set accuracy"
    to_fill_in = (
        "fill in the column label, with commas between classes, as in 'bus, dog', or 'none of these' for a row "
        "without any"
    )
    split = staticmethod(split_classes)
    vote = staticmethod(each_class)

    def numbers(self, sets: Sequence[Names], classes: Sequence[str]) -> Labels:
        places = {name: place for place, name in enumerate(classes)}
        labels_LK = np.zeros((len(sets), len(classes)), np.int8)
        for row_K, names in zip(labels_LK, sets, strict=True):
            row_K[[places[name] for name in names]] = 1
        return labels_LK

    def names(self, labels_B: Labels, classes: Sequence[str]) -> list[Names]:
        return [tuple(classes[place] for place in np.flatnonzero(row_K == 1).tolist()) for row_K in labels_B]

    def predicted(self, probabilities_BK: Floats) -> tuple[Labels, Floats]:
        sure_B: Floats = np.maximum(probabilities_BK, 1 - probabilities_BK).prod(axis=1)
        return (probabilities_BK >= 0.5).astype(np.int8), sure_B

    def uncertainty(self, probabilities_UK: Floats) -> float:
        yes_Q = probabilities_UK.astype(np.float64).reshape(-1)
        return overall_uncertainty(np.column_stack([yes_Q, 1 - yes_Q]))

    def decided(
        self,
        events: Any,  # noqa: ANN401
        classes: Sequence[str],
        method: Method,
    ) -> Mapping[str, tuple[Names, float]]:
        found = sets_of_events(events, classes, method)
        labels_NK, confidence_N = found.consensus.labels_NK, found.consensus.confidence_N.tolist()
        sets = self.names(labels_NK, classes)
        known_N = np.asarray((labels_NK >= 0).all(axis=1), np.bool_)
        each = zip(found.row_ids, sets, confidence_N, known_N.tolist(), strict=True)
        return {row_id: (names, confidence) for row_id, names, confidence, known in each if known}

    def sureness(
        self,
        events: Any,  # noqa: ANN401
        classes: Sequence[str],
    ) -> RowConsensus | RowSets:
        return sets_of_events(events, classes, one_coin)


ONE_CLASS: Final = OneClass()
SEVERAL_CLASSES: Final = SeveralClasses()
KINDS: Final = MappingProxyType({kind.task: kind for kind in (ONE_CLASS, SEVERAL_CLASSES)})
"""By the name of their task."""
