"""Which rows to ask next: a model is fitted to the labels, and the strategy chooses, as in a round of a trial.

Given the same labels, seed and round, the rows are those that the trial chooses.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Plugin
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.strategies import MemoryStrategy, Strategy
from labelbench_ray.streams import integer, stream
from labelbench_ray.trial.assembly import stored_pairs
from labelbench_ray.trial.fit_light import FitRequest, LightFitter, in_process
from labelbench_ray.trial.no_fit import untrained
from labelbench_ray.trial.parts import Parts
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
        if built.dataset.task != "single_label":
            raise ConfigError(
                f"dataset {trial.dataset}: its task is {built.dataset.task!r}; campaigns serve one label a row"
            )

    def model(self, known: Knowledge, number: int) -> Classifier | None:
        """The model of the labels that are known before a batch; None where they do not suffice for one."""
        if not known.can_fit:
            return None
        fitter = self._fitter(known)
        seed = integer(self.built.trial.seed, max(number - 1, 0), "fit")
        request = FitRequest(known.labeled_L, known.labels_L, (), seed, lambda stats: None, weights_L=known.weights_L)
        return fitter.classifier(fitter.fit(request))

    def choose(self, known: Knowledge, model: Model | None, number: int, budget: int) -> Ids:
        """(budget,) rows, in order of selection.

        Raises:
            ValueError: fewer rows may be chosen.
        """
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
        if where_alone(strategy):
            chosen_L = np.concatenate([known.labeled_L, known.pending_P])
            none_P = np.zeros(len(known.pending_P), np.int64)  # read by nobody
            view = in_process(embedded)(scoring, chosen_L, np.concatenate([known.labels_L, none_P]))
            hidden = known.closed_C
        else:
            view = in_process(embedded)(scoring, known.labeled_L, known.labels_L)
            hidden = np.concatenate([known.pending_P, known.closed_C])
        return view.only(np.setdiff1d(view.open_ids(), hidden)) if len(hidden) else view

    def _embedded(self, known: Knowledge) -> Embedded:
        classes = known.classes if len(known.classes) >= FEWEST_CLASSES else self.embedded.classes
        return replace(self.embedded, classes=classes, origin=None)

    def _fitter(self, known: Knowledge) -> LightFitter:
        embedded = self._embedded(known)
        origin = self.embedded.origin
        pairs = stored_pairs(self.built, origin.directory) if origin else ()
        return LightFitter(self.built, embedded, pairs, in_process(embedded))


def where_alone(strategy: Plugin) -> bool:
    """Whether a strategy, with those in its settings, reads at most where labeled rows lie, and never their labels."""
    here = not isinstance(strategy, Strategy) or strategy.labels_as_places or "labels" not in strategy.wants
    return here and all(map(where_alone, strategy.inner_plugins().values()))


def model_hash(model: Classifier | None) -> str:
    """SHA-256 of a model's tensors, as rounds of trials state it; "" for none."""
    return "" if model is None else sha256(save(dict(model.tensors()))).hexdigest()
