"""Semi-supervised training: labeled rows through a weak view, unlabeled rows through a weak and a strong one.

LabelBench's frame (arXiv 2306.09910, section 4; USB, arXiv 2208.07204) with its defects mended: masked losses are
averaged over all unlabeled rows of a batch, selected or not, so that no selected row gives the supervised loss alone;
weak views that only make targets stay out of the graph; the unlabeled batch may be larger than the rows that are left;
state is float32.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import cross_entropy

from labelbench_ray import augmentations, plugins
from labelbench_ray.augmentations import Augmentation
from labelbench_ray.plugins import Part, Plugin
from labelbench_ray.trainers import Heard, WantedViews
from labelbench_ray.trainers._descent import Descent, Step, smoothed
from labelbench_ray.trainers._material import Material
from labelbench_ray.types import Ids


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A batch's unlabeled rows: logits of the weak views (no gradient) and of the strong ones, (U, K) float32."""

    weak_UK: Tensor
    strong_UK: Tensor
    places_U: Tensor
    """Their places among the unlabeled rows, int64."""
    progress: float
    """Steps done / steps in all, 0 .. 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """The unlabeled part of a loss, and what it made of each row."""

    loss: Tensor
    pseudo_labels_U: Tensor
    weights_U: Tensor
    """0 for a row that is left out."""


class SemiSupervised(Descent):
    """Labeled loss + `unlabeled_weight` * unlabeled loss."""

    epochs: PositiveInt = 20
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 3e-3
    weight_decay: NonNegativeFloat = 1e-4
    warmup_steps: NonNegativeInt = 0
    epoch_steps: PositiveInt = 8
    views: PositiveInt = 5
    """Weak and strong pairs of each row; epoch e reads pair e modulo `views`."""
    augmentation: Part = Part(name="images")
    """What makes the views."""
    unlabeled_ratio: PositiveInt = 5
    """Unlabeled rows of a step for each row of `batch_size`."""
    unlabeled_weight: NonNegativeFloat = 1.0

    def made_of(self) -> dict[str, Plugin]:
        return {"augmentation": self._augmentation}

    @cached_property
    def _augmentation(self) -> Augmentation:
        return plugins.build(Augmentation, augmentations.PACKAGE, self.augmentation)

    def wanted_views(self) -> WantedViews:
        return WantedViews(self._augmentation, plugins.recipe(self.augmentation.name, self._augmentation), self.views)

    def unlabeled_batch(self, material: Material) -> int:
        return min(self.unlabeled_ratio * self.batch_size, len(material.unlabeled_ids_U))

    def loss(self, step: Step) -> Tensor:
        inputs = step.material.inputs
        labeled = inputs.labeled(step.labeled_B, step.epoch)
        targets_BK = smoothed(step.labels_B, step.material.num_classes, self.label_smoothing)
        if not len(step.unlabeled_U):
            return cross_entropy(step.module(labeled), targets_BK)
        with torch.no_grad():
            weak_UK = step.module(inputs.weak(step.unlabeled_U, step.epoch)).float()
        logits = step.module(torch.cat([labeled, inputs.strong(step.unlabeled_U, step.epoch)])).float()
        pair = Pair(weak_UK, logits[len(labeled) :], torch.from_numpy(step.unlabeled_U), step.progress)
        term = self.unlabeled_loss(pair, step)
        self.tell(step, term)
        return cross_entropy(logits[: len(labeled)], targets_BK) + self.unlabeled_weight * term.loss

    @abstractmethod
    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        """The loss of a batch's unlabeled rows, a mean over all of them; brings `step.state` up to date."""

    def tell(self, step: Step, term: Term) -> None:
        """Let whoever listens know what became of the rows."""
        pseudo_labels_U: Ids = term.pseudo_labels_U.cpu().numpy()
        step.material.listen(
            Heard(step.epoch, step.unlabeled_U, pseudo_labels_U, term.weights_U.cpu().numpy().astype(np.float32))
        )
