"""Supervised training on the labeled rows alone: mini-batch AdamW (LabelBench's "passive" trainer).

Mended here: a labeled set smaller than a batch still trains, warm-up is capped at a tenth of all steps so that the
learning rate reaches its target, and mixup mixes the smoothed targets as well as the inputs.
"""

import copy
import math
from functools import partial
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from labelbench_ray.proxies import Classifier, LightProxy, Proxy
from labelbench_ray.trainers import Trainer, TrainingData
from labelbench_ray.types import Examples

WARMUP_CAP = 0.1


class Supervised(Trainer):
    """Cross-entropy with label smoothing and mixup, cosine schedule, early stopping on the validation loss."""

    epochs: PositiveInt = 30
    batch_size: PositiveInt = 500
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 1e-2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    mixup: NonNegativeFloat = 0.2
    """Both parameters of the Beta distribution of the mixing weight; 0 mixes nothing."""
    warmup_steps: NonNegativeInt = 200
    """Capped at a tenth of all steps."""
    patience: PositiveInt = 5
    """Epochs without a new best validation loss (an equal one counts as new) before training stops."""

    def fit(self, proxy: Proxy, data: TrainingData, seed: int) -> Classifier:
        assert isinstance(proxy, LightProxy), proxy
        labeled, validation = _tensors(data.labeled), _tensors(data.validation)
        module = proxy.module(labeled[0].shape[1], data.num_classes, seed)
        rng = np.random.default_rng(seed)
        steps = math.ceil(len(labeled[1]) / self.batch_size)
        # The fused kernel needs a third of the time of the default at these sizes.
        optimizer = torch.optim.AdamW(
            module.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True
        )
        factor = partial(learning_rate_factor, warmup=self.warmup_steps, total=self.epochs * steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        best_loss, best_state, waited = math.inf, module.state_dict(), 0
        for epoch in range(self.epochs):
            for batch in np.array_split(rng.permutation(len(labeled[1])), steps):
                self._step(module, optimizer, labeled, batch, data.num_classes, rng)
                schedule.step()
            loss = _loss(module, validation)
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"supervised: validation loss {loss} after epoch {epoch} at learning rate "
                    f"{schedule.get_last_lr()[0]:.3g}; lower `learning_rate`"
                )
            if loss <= best_loss:
                best_loss, best_state, waited = loss, copy.deepcopy(module.state_dict()), 0
            elif (waited := waited + 1) >= self.patience:
                break
        module.load_state_dict(best_state)
        return Classifier.of_module(module, data.standardization)

    def _step(
        self,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        labeled: tuple[Tensor, Tensor],
        batch: np.ndarray,
        num_classes: int,
        rng: np.random.Generator,
    ) -> None:
        rows_B = torch.from_numpy(batch)
        inputs_BD, labels_B = labeled[0][rows_B], labeled[1][rows_B]
        targets_BK = smoothed(labels_B, num_classes, self.label_smoothing)
        if self.mixup:
            weight = rng.beta(self.mixup, self.mixup)
            inputs_BD, targets_BK = (weight * both + (1 - weight) * both.flip(0) for both in (inputs_BD, targets_BK))
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(module(inputs_BD), targets_BK).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def learning_rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear warm-up over min(warmup, total / 10) steps to 1, then half a cosine to 0 at `total`."""
    capped = min(warmup, int(WARMUP_CAP * total))
    if step < capped:
        return (step + 1) / capped
    return 0.5 * (1 + math.cos(math.pi * (step - capped) / max(1, total - capped)))


def smoothed(labels_B: Tensor, num_classes: int, smoothing: float) -> Tensor:
    """(B, K) float32 targets: (1 - smoothing) * one-hot + smoothing / K."""
    return one_hot(labels_B, num_classes).float() * (1 - smoothing) + smoothing / num_classes


def _tensors(examples: Examples) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(examples.embeddings_BD), torch.from_numpy(examples.labels_B)


def _loss(module: torch.nn.Module, examples: tuple[Tensor, Tensor]) -> float:
    with torch.inference_mode():
        return float(cross_entropy(module(examples[0]), examples[1]))
