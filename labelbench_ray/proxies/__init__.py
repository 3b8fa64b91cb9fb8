"""Proxies: the models that select in every round. One file each.

A light proxy stands in for the full model on frozen embeddings: a stack of affine layers with ReLU between. A full one
(`full/`) trains the encoder itself. Trainers fit either as a torch module; what strategies score with is always a
`Classifier` of embeddings: plain arrays, so that it scores anywhere, travels to Ray actors and lies on disk as
safetensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import tasks
from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.pool.facts import Facts
from labelbench_ray.pool.standardization import Standardization, widened
from labelbench_ray.pool.task_heads import TaskHeads
from labelbench_ray.proxies._on_device import DeviceClassifier
from labelbench_ray.types import Floats, Ids, Labels

if TYPE_CHECKING:
    import torch

    from labelbench_ray.encoders import Encoder
    from labelbench_ray.proxies.multitask.fit import Map
    from labelbench_ray.proxies.multitask.moments import PoolInputs

PACKAGE = __name__


class Proxy(tasks.ServesTasks, ABC):
    """The shape of a model that selects; its fields are its settings."""

    trains_encoder: ClassVar[bool] = False
    """Changes the embeddings that it sees, so they are made anew after each fit."""
    has_features: ClassVar[bool] = True
    """Has a last layer, whose inputs strategies may read as embeddings; without one it gives probabilities alone."""
    trains_every_weight: ClassVar[bool] = False
    """Trains all of the encoder, not a part of it."""


class Tunable(Proxy, ABC):
    """A model that trains the encoder's own network, in every round or by `labelbench finetune`."""

    trains_encoder: ClassVar[bool] = True

    @abstractmethod
    def check(self, encoder: Encoder, classes: tuple[str, ...] | None, proxy: Proxy | None) -> None:
        """Raise `ConfigError` for parts that do not go together.

        Args:
            encoder: the trial's.
            classes: None while they are not known.
            proxy: the light proxy of the trial's rounds; None where there is none.
        """


class LightProxy(Proxy, ABC):
    """Affine layers on frozen, standardized embeddings."""

    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression")

    @abstractmethod
    def widths(self, dimensions: int, classes: int) -> tuple[int, ...]:
        """The widths of the layers from D to K: (D, K) for a linear proxy."""

    def classifier_type(self) -> type[Classifier]:
        """What reads a fitted model from its tensors."""
        return Classifier

    def module(self, dimensions: int, classes: int, seed: int) -> torch.nn.Sequential:
        """Fresh layers, initialized as torch does (Kaiming uniform) from a stream of their own."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[torch.nn.Module] = []
            for width_in, width_out in pairwise(self.widths(dimensions, classes)):
                layers += [torch.nn.Linear(width_in, width_out), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])


class SelfFitted(LightProxy, ABC):
    """A light proxy with a fit of its own, from pool rows that it reads block by block; its trainer is `none`."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    weighs: ClassVar[tuple[Distribution, ...]] = ()
    """The kinds of labels whose weights it heeds; it is given none of other kinds."""

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts of pool rows that a fit reads, by name."""
        return ()

    @abstractmethod
    def fit(
        self,
        inputs: PoolInputs,
        standardization: Standardization,
        labeled_L: Ids,
        labels_L: Labels,
        facts: Facts,
        distribution: Distribution,
        map_tasks: Map,
        weights_L: NDArray[np.float64] | None = None,
    ) -> tuple[Classifier, int]:
        """The model of these labels, and how many passes over them it took; a pure function of its arguments.

        Args:
            inputs: the pool's rows.
            standardization: of the pool.
            labeled_L: pool ids, in the order in which they were bought.
            labels_L: what the oracle returned for them.
            facts: of these rows, those that `facts` names.
            distribution: what the model predicts.
            map_tasks: applies a function to items, perhaps in other processes.
            weights_L: how much each label counts, above 0 and 1 in the mean; None: all alike. Passed only to proxies
                that state `weighs`, and only where there are weights.
        """


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained proxy with its standardization: raw embeddings in, probabilities and features out (a `types.Model`)."""

    standardization: Standardization
    layers: tuple[tuple[Floats, Floats], ...]
    """(weight (in, out), bias (out,)) of each affine layer, for standardized inputs."""
    distribution: Distribution = CATEGORICAL

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.layers[-1][1])

    @property
    def task_heads(self) -> TaskHeads | None:
        """What a model of several tasks learned of each; None for others."""
        return None

    @property
    def alone(self) -> Classifier | None:
        """Of a model of several tasks: the target's from its rows alone, to show what the others bring."""
        return None

    @cached_property
    def first_layer(self) -> tuple[Floats, Floats]:
        """(weight, bias) of the first layer for raw embeddings."""
        # Standardizing is affine, so it folds into the first layer: the pool is never standardized row by row.
        weight, bias = (array.astype(np.float64) for array in self.layers[0])
        weight = weight / self.standardization.scale_D[:, None]
        return weight.astype(np.float32), (bias - self.standardization.mean_D @ weight).astype(np.float32)

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, H) float32: the standardized embedding for a linear proxy, else the last hidden layer after its ReLU."""
        return self.standardization.apply(raw_BD) if len(self.layers) == 1 else self._hidden(raw_BD)

    def logits(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, K) float32."""
        weight, bias = self.first_layer if len(self.layers) == 1 else self.layers[-1]
        logits_BK: Floats = self._hidden(raw_BD) @ weight
        logits_BK += bias
        return logits_BK

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, K) float32 of its distribution."""
        return self.distribution.of_logits(self.logits(raw_BD))

    def on(self, device: str) -> DeviceClassifier:
        """The same model on a torch device ("cuda"), for `PoolView.from_model`."""
        layers = (self.first_layer, *self.layers[1:])
        return DeviceClassifier(layers, self.features, self.standardization, self.distribution, device)

    def _hidden(self, raw_BD: NDArray[Any]) -> Floats:
        hidden = widened(raw_BD)
        for weight, bias in (self.first_layer, *self.layers[1:])[: len(self.layers) - 1]:
            hidden = np.maximum(hidden @ weight + bias, 0)
        return hidden

    @classmethod
    def of_module(
        cls,
        module: torch.nn.Sequential,
        standardization: Standardization,
        distribution: Distribution = CATEGORICAL,
    ) -> Self:
        """The arrays of a trained module; it stays as it is."""
        import torch

        linear = [layer for layer in module if isinstance(layer, torch.nn.Linear)]
        return cls(
            standardization,
            tuple(
                (layer.weight.detach().T.float().cpu().numpy().copy(), layer.bias.detach().float().cpu().numpy().copy())
                for layer in linear
            ),
            distribution,
        )

    def fill(self, module: torch.nn.Sequential) -> None:
        """The inverse of `of_module`: give a module of the same widths these weights."""
        import torch

        linear = [layer for layer in module if isinstance(layer, torch.nn.Linear)]
        with torch.no_grad():
            for layer, (weight, bias) in zip(linear, self.layers, strict=True):
                layer.weight.copy_(torch.from_numpy(weight.T))
                layer.bias.copy_(torch.from_numpy(bias))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Everything by name, for a safetensors file."""
        named: dict[str, NDArray[Any]] = {
            "mean": self.standardization.mean_D,
            "scale": self.standardization.scale_D,
        }
        for number, (weight, bias) in enumerate(self.layers):
            named |= {f"{number}.weight": weight, f"{number}.bias": bias}
        return named

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Floats], distribution: Distribution = CATEGORICAL) -> Self:
        """The inverse of `tensors`."""
        depth = sum(name.endswith(".weight") for name in tensors)
        return cls(
            Standardization(tensors["mean"], tensors["scale"]),
            tuple((tensors[f"{number}.weight"], tensors[f"{number}.bias"]) for number in range(depth)),
            distribution,
        )
