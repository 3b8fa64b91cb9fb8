"""Semi-supervised training: labeled rows through a weak view, unlabeled rows through a weak and a strong one.

LabelBench's frame (arXiv 2306.09910, section 4; USB, arXiv 2208.07204) with its defects fixed. Masked losses are
averaged over all unlabeled rows of a batch, selected or not, so a batch without a selected row gives the supervised
loss. Weak views that only give targets stay out of the graph. The unlabeled batch may be larger than the remaining
rows. State is float32.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from labelbench_ray import augmentations, plugins
from labelbench_ray.augmentations import Augmentation, WantedViews
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part, Plugin
from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.proxies import Proxy
from labelbench_ray.trainers.engine.data import FitData, Inputs, PseudoLabels
from labelbench_ray.trainers.engine.descent import Descent, smoothed
from labelbench_ray.trainers.engine.kept import Keep
from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.types import Floats, Ids

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """The module's outputs for a batch, float32. Gradients flow to the labeled rows and the students."""

    labeled_BK: Tensor
    weak_UK: Tensor
    """Unlabeled rows by their weak views: no gradient."""
    student_UK: Tensor
    """The same rows by the views that learn."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The unlabeled rows of a batch: U are this process's share, V all processes' rows, which update the state.

    So every process holds the same state. In a fit of one process U and V are the same.
    """

    weak_UK: Tensor
    """Logits, float32, no gradient."""
    student_UK: Tensor
    """Logits of the views that learn, float32."""
    weak_VK: Tensor
    places_V: Tensor
    """Their places among the unlabeled rows, int64; a place may occur twice."""
    progress: float
    """Steps done / steps in all, 0 .. 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """The unlabeled part of a loss, and each row's pseudo-label and weight."""

    loss: Tensor
    pseudo_labels_U: Tensor
    weights_U: Tensor
    """0 for a row that was left out."""
    extra: Tensor | float = 0.0
    """Added to the loss without `unlabeled_weight`."""


class SemiSupervised(Descent):
    """Labeled loss + `unlabeled_weight` * unlabeled loss.

    With `accumulation`, every part of a batch updates the state.
    """

    version: ClassVar[int] = 2
    weighs: ClassVar[tuple[Distribution, ...]] = (CATEGORICAL,)
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 3e-3
    weight_decay: NonNegativeFloat = 1e-4
    warmup_steps: NonNegativeInt = 0
    keep: Keep = "accuracy"
    """As in `Descent`. With few labels the validation loss is lowest after an epoch or two, long before pseudo-labels
    have an effect: with `loss` these methods gain nothing over their labels alone."""
    patience: PositiveInt = 10
    epoch_steps: PositiveInt = 8
    """The steps of 1,000 labels: with few labels an epoch is several passes, not a single step."""
    views: PositiveInt = 5
    """Weak and strong pairs of each row; epoch e reads pair e modulo `views`. Full models get new views each epoch."""
    augmentation: Part = Part(name="images")
    """What makes the views. A full model has an augmentation of its own."""
    unlabeled_ratio: PositiveInt = 5
    """Unlabeled rows of a step for each row of `batch_size`."""
    unlabeled_weight: NonNegativeFloat = 1.0

    @classmethod
    def table_row(cls) -> dict[str, str]:
        row = super().table_row()
        return row | {"wants": f"{row['wants']}, views of unlabeled rows"}

    def inner_plugins(self) -> dict[str, Plugin]:
        return {"augmentation": self._augmentation}

    @cached_property
    def _augmentation(self) -> Augmentation:
        return plugins.build(Augmentation, augmentations.PACKAGE, self.augmentation)

    def check(self, proxy: Proxy) -> None:
        if proxy.trains_encoder and (unread := sorted({"views", "augmentation"} & self.model_fields_set)):
            name = type(proxy).__name__
            raise ConfigError(
                f"trainer: {' and '.join(unread)} of {type(self).__name__} would be ignored: {name} augments images "
                "anew in every epoch, by an `augmentation` of its own; set that of the model instead"
            )

    def wanted_views(self) -> WantedViews:
        return WantedViews(self._augmentation, plugins.recipe(self.augmentation.name, self._augmentation), self.views)

    def unlabeled_batch(self, data: FitData[Inputs]) -> int:
        return min(self.unlabeled_ratio * self.batch_size, len(data.unlabeled_ids_U))

    def loss(self, step: Step) -> Tensor:
        import torch

        labeled = step.data.inputs.labeled(step.labeled_B, step.epoch)
        if not len(step.unlabeled_U):
            return self.labeled_loss(step.module(labeled).float(), step)
        logits, gather = self.logits(labeled, step), step.device.gather
        pair = Pair(
            logits.weak_UK,
            logits.student_UK,
            gather(logits.weak_UK),
            gather(torch.from_numpy(step.unlabeled_U).to(logits.weak_UK.device)),
            step.progress,
        )
        term = self.unlabeled_loss(pair, step)
        self.report(step, term)
        return self.labeled_loss(logits.labeled_BK, step) + step.balance * (
            self.unlabeled_weight * term.loss + term.extra
        )

    def logits(self, labeled: Tensor, step: Step) -> Logits:
        """Strong views learn. Weak ones only give targets, so they stay out of the graph."""
        import torch

        inputs = step.data.inputs
        with torch.no_grad():
            weak_UK = step.module(inputs.weak(step.unlabeled_U, step.epoch)).float()
        # Before torch 2.10, mixed precision reused the weights that it had cast here, detached from the graph, in the
        # next pass: nothing would be learned.
        torch.clear_autocast_cache()
        both = step.module(torch.cat([labeled, inputs.strong(step.unlabeled_U, step.epoch)])).float()
        return Logits(both[: len(labeled)], weak_UK, both[len(labeled) :])

    def labeled_loss(self, logits_BK: Tensor, step: Step) -> Tensor:
        """The loss of a batch's labeled rows, a mean over all of them."""
        from torch.nn.functional import cross_entropy

        targets_BK = smoothed(step.labels_B, step.data.num_classes, self.label_smoothing)
        return cross_entropy(logits_BK, step.weighted(targets_BK))

    @abstractmethod
    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        """The loss of this process's unlabeled rows, a mean over all of them. Updates `step.state`."""

    def report(self, step: Step, term: Term) -> None:
        """Report the pseudo-labels of a step's unlabeled rows."""
        ids_U: Ids = step.data.unlabeled_ids_U[step.unlabeled_U]
        pseudo_labels_U: Ids = term.pseudo_labels_U.cpu().numpy()
        weights_U: Floats = term.weights_U.cpu().numpy().astype(np.float32)
        step.data.on_pseudo_labels(PseudoLabels(step.epoch, ids_U, pseudo_labels_U, weights_U))
