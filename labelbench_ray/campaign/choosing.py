"""Which rows to ask next: a model is fitted to the labels, and the strategy chooses, as in a round of a trial.

Given the same labels, seed and round, the rows are those that the trial chooses.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from labelbench_ray.campaign.label_kinds import KINDS, LabelKind
from labelbench_ray.campaign.record import Campaign
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part, Plugin
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.strategies import MemoryStrategy, Strategy
from labelbench_ray.streams import integer, stream
from labelbench_ray.trial.assembly import stored_pairs
from labelbench_ray.trial.fit_light import FitRequest, LightFitter, in_process
from labelbench_ray.trial.no_fit import untrained
from labelbench_ray.trial.parts import Parts, build
from labelbench_ray.types import Ids, Labels, Model, PoolView

FEWEST_CLASSES: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """What is known of a pool when rows are chosen, by pool id."""

    classes: tuple[str, ...]
    """In order; a label is a place in them."""
    labeled_L: Ids
    """Rows with a label, in the order in which they were asked."""
    labels_L: Labels
    pending_P: Ids
    """Rows that were asked and have no label: they are not asked again, and count as chosen."""
    closed_C: Ids
    """Rows that no strategy may choose or see: they measure the model."""
    weights_L: NDArray[np.float64] | None = None
    """How much each label counts; None: all alike."""

    @property
    def can_fit(self) -> bool:
        """Whether a model can be fitted."""
        return len(self.labeled_L) > 0 and len(self.classes) >= FEWEST_CLASSES


@dataclass(frozen=True, slots=True, eq=False)
class Chooser:
    """What a campaign chooses with."""

    built: Parts
    embedded: Embedded

    def __post_init__(self) -> None:
        """Raises ConfigError: parts that a campaign cannot use."""
        built, trial = self.built, self.built.trial
        if isinstance(built.proxy, FullProxy):
            raise ConfigError(
                f"proxy {trial.proxy}: trains its encoder anew in every round; a campaign fits a model on stored "
                "embeddings: use 'linear' or another light proxy"
            )
        if isinstance(built.strategy, MemoryStrategy):
            raise ConfigError(
                f"strategy {trial.strategy}: learns from its own earlier rounds, which a campaign does not have; use "
                "another strategy, such as 'margin' or 'badge'"
            )
        if built.strategy.sees_labels:
            raise ConfigError(
                f"strategy {trial.strategy}: is an upper bound that sees labels, and a campaign has none before it "
                "asks; use another strategy, such as 'margin' or 'badge'"
            )
        if built.task_name not in KINDS:
            raise ConfigError(f"dataset {trial.dataset}: {not_served(built.task_name)}")

    @property
    def kind(self) -> LabelKind:
        """How many classes a row has."""
        return KINDS[self.built.task_name]

    def model(self, known: Knowledge, number: int) -> Classifier | None:
        """The model of the labels that are known before a batch; None where they do not suffice for one."""
        if not known.can_fit:
            return None
        fitter = self._fitter(known)
        seed = integer(self.built.trial.seed, max(number - 1, 0), "fit")
        request = FitRequest(known.labeled_L, known.labels_L, (), seed, lambda stats: None, weights_L=known.weights_L)
        return fitter.classifier(fitter.fit(request))

    def choose(self, known: Knowledge, model: Model | None, number: int, budget: int) -> Ids:
        """(budget,) rows, in order of selection. None for a budget of 0: a batch that only asks rows again.

        Raises:
            ValueError: fewer rows may be chosen.
        """
        if not budget:
            return np.zeros(0, np.int64)
        strategy = self.built.first_batch if model is None else self.built.strategy
        view = self.view(known, model, strategy)
        return strategy.select(view, budget, stream(self.built.trial.seed, number, "select"))

    def view(self, known: Knowledge, model: Model | None, strategy: Strategy) -> PoolView:
        """The pool as a strategy sees it.

        Rows that await a label count as labeled for a strategy that looks only at where labeled rows lie. One that
        reads labels does not see them: there is nothing to read.
        """
        embedded = self._embedded(known)
        scoring = untrained(embedded) if model is None else model
        labels_L = known.labels_L
        if labels_L.ndim > 1 and labels_L.shape[1] < len(embedded.classes):  # too few classes are known for a model
            labels_L = np.zeros((len(labels_L), len(embedded.classes)), labels_L.dtype)
        if where_alone(strategy):
            chosen_L = np.concatenate([known.labeled_L, known.pending_P])
            none_P = np.zeros((len(known.pending_P), *labels_L.shape[1:]), labels_L.dtype)  # read by nobody
            view = in_process(embedded)(scoring, chosen_L, np.concatenate([labels_L, none_P]))
            hidden = known.closed_C
        else:
            view = in_process(embedded)(scoring, known.labeled_L, labels_L)
            hidden = np.concatenate([known.pending_P, known.closed_C])
        return view.only(np.setdiff1d(view.open_ids(), hidden)) if len(hidden) else view

    def _embedded(self, known: Knowledge) -> Embedded:
        classes = known.classes if len(known.classes) >= FEWEST_CLASSES else self.embedded.classes
        embedded = replace(self.embedded, classes=classes, origin=None)
        if self.built.task_name == self.built.dataset.task:
            return embedded
        before, none_VK = embedded.validation, np.zeros((0, len(classes)), np.int8)
        nothing = replace(before, embeddings_ND=before.embeddings_ND[:0], labels_N=none_VK)
        return replace(embedded, task=self.built.task, splits={**embedded.splits, "validation": nothing})

    def _fitter(self, known: Knowledge) -> LightFitter:
        embedded = self._embedded(known)
        origin = self.embedded.origin
        pairs = stored_pairs(self.built, origin.directory) if origin else ()
        return LightFitter(self.built, embedded, pairs, in_process(embedded))


def parts_of(campaign: Campaign, strategy: Part, budget: int) -> Parts:
    """The parts of a campaign, with a strategy.

    Raises:
        ConfigError: parts that do not fit together, or do not serve what people are asked for.
    """
    return build(campaign.trial(strategy, budget), campaign.task)


def not_served(task: str) -> str:
    """Why there is no campaign for a task, in words."""
    served = " or ".join(kind.in_words for kind in KINDS.values())
    return f"its task is {task!r}; campaigns ask people for {served} (`labelbench run` serves the others)"


def where_alone(strategy: Plugin) -> bool:
    """Whether a strategy, with those in its settings, reads at most where labeled rows lie, and never their labels."""
    here = not isinstance(strategy, Strategy) or strategy.labels_as_places or "labels" not in strategy.wants
    return here and all(map(where_alone, strategy.inner_plugins().values()))


def model_hash(model: Classifier | None) -> str:
    """SHA-256 of a model's tensors, as rounds of trials state it; "" for none."""
    return "" if model is None else sha256(save(dict(model.tensors()))).hexdigest()
