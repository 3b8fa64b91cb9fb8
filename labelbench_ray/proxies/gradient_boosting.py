"""Gradient-boosted trees (scikit-learn's, of histograms), for tables whose columns matter by thresholds, together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt

from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier, SelfFitted

if TYPE_CHECKING:
    from labelbench_ray.pool.facts import Facts
    from labelbench_ray.proxies.multitask.fit import Map
    from labelbench_ray.proxies.multitask.moments import PoolInputs
    from labelbench_ray.types import Floats, Ids, Labels

ABSENT: Final = -100.0
"""The logit of a class without labels, as the trainer `logistic` has it."""
NODES: Final = {"feature": np.int32, "threshold": np.float64, "left": np.int32, "right": np.int32, "value": np.float64}


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees as arrays: the nodes of all of them (T,), after each other, and where each tree begins (R,)."""

    feature_T: NDArray[np.int32]
    """The dimension that a node compares; -1 for a leaf."""
    threshold_T: NDArray[np.float64]
    """A row goes left if its value is at most this."""
    left_T: NDArray[np.int32]
    right_T: NDArray[np.int32]
    """The nodes below, counted from the first node of all trees."""
    value_T: NDArray[np.float64]
    """What a leaf adds to its tree's output."""
    root_R: NDArray[np.int64]
    output_R: NDArray[np.int64]
    """Which output each tree adds to."""
    baseline_O: NDArray[np.float64]
    """The outputs without a tree."""

    def outputs(self, rows_BD: Floats) -> NDArray[np.float64]:
        """(B, O): the baseline and what the leaf of each tree adds."""
        every_B = np.arange(len(rows_BD))
        outputs_BO = np.tile(self.baseline_O, (len(rows_BD), 1))
        for root, output in zip(self.root_R.tolist(), self.output_R.tolist(), strict=True):
            node_B = np.full(len(rows_BD), root, np.int64)
            feature_B = self.feature_T[node_B]
            while (inner_B := feature_B >= 0).any():
                left_B = rows_BD[every_B, np.maximum(feature_B, 0)] <= self.threshold_T[node_B]
                below_B = np.where(left_B, self.left_T[node_B], self.right_T[node_B])
                node_B = np.where(inner_B, below_B, node_B)
                feature_B = self.feature_T[node_B]
            outputs_BO[:, output] += self.value_T[node_B]
        return outputs_BO


@dataclass(frozen=True, eq=False, kw_only=True)
class TreeClassifier(Classifier):
    """Boosted trees of the standardized embedding; strategies see the embedding, since there is no last layer."""

    trees: Trees
    present_P: NDArray[np.int64]
    """The classes with labels, ascending; two of them share one output."""
    classes: int

    @property
    def num_classes(self) -> int:
        return self.classes

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        return self.standardization.apply(raw_BD)

    def logits(self, raw_BD: NDArray[Any]) -> Floats:
        outputs_BO = self.trees.outputs(self.standardization.apply(raw_BD))
        columns_BP = np.hstack([-outputs_BO / 2, outputs_BO / 2]) if len(self.present_P) == 2 else outputs_BO
        logits_BK = np.full((len(raw_BD), self.classes), ABSENT, np.float32)
        logits_BK[:, self.present_P] = columns_BP
        return logits_BK

    def on(self, device: str) -> Self:  # type: ignore[override]
        """The same: trees are walked on the CPU."""
        return self

    def tensors(self) -> dict[str, NDArray[Any]]:
        named = {name: getattr(self.trees, f"{name}_T") for name in NODES}
        named |= {"root": self.trees.root_R, "output": self.trees.output_R, "baseline": self.trees.baseline_O}
        shape = {"mean": self.standardization.mean_D, "scale": self.standardization.scale_D}
        return shape | named | {"present": self.present_P, "classes": np.array([self.classes])}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Any], distribution: Distribution = CATEGORICAL) -> Self:
        arrays: list[Any] = [np.asarray(tensors[name], dtype) for name, dtype in NODES.items()]
        arrays += [np.asarray(tensors[name], np.int64) for name in ("root", "output")]
        arrays += [np.asarray(tensors["baseline"], np.float64)]
        return cls(
            Standardization(tensors["mean"], tensors["scale"]),
            (),
            distribution,
            trees=Trees(*arrays),
            present_P=np.asarray(tensors["present"], np.int64),
            classes=int(tensors["classes"][0]),
        )


class GradientBoosting(SelfFitted):
    """Trees that each correct those before, one for each class and iteration; its trainer is `none`.

    It gives probabilities and has no last layer, so it serves strategies that read no features of one: `random`,
    `margin`, `entropy`, `confidence`, `galaxy` and others.
    """

    tasks: ClassVar[tuple[str, ...]] = ("single_label",)
    weighs: ClassVar[tuple[Distribution, ...]] = (CATEGORICAL,)
    has_features: ClassVar[bool] = False
    iterations: PositiveInt = 100
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    leaves: Annotated[int, Field(ge=2, le=256)] = 15
    """Most leaves of a tree."""
    rows_a_leaf: PositiveInt = 3
    """Fewest labeled rows in a leaf; scikit-learn's 20 would split nothing of the first rounds' labels."""
    l2: NonNegativeFloat = 1.0

    def widths(self, dimensions: int, classes: int) -> tuple[int, ...]:
        return (dimensions, classes)

    def classifier_type(self) -> type[Classifier]:
        return TreeClassifier

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
        present_P = np.unique(labels_L).astype(np.int64)
        trees = constant(len(present_P))
        if len(present_P) > 1:
            trees = self._trees(inputs.standardized(labeled_L), labels_L, weights_L)
        fitted = TreeClassifier(
            standardization, (), distribution, trees=trees, present_P=present_P, classes=inputs.num_classes
        )
        return fitted, self.iterations

    def _trees(self, rows_LD: Floats, labels_L: Labels, weights_L: NDArray[np.float64] | None) -> Trees:
        from sklearn.ensemble import HistGradientBoostingClassifier

        boosted = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.iterations,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.rows_a_leaf,
            l2_regularization=self.l2,
            early_stopping=False,
            random_state=0,
        ).fit(rows_LD, labels_L, sample_weight=weights_L)
        return read_trees(boosted)


def constant(outputs: int) -> Trees:
    """No trees: every row has the same outputs."""
    nothing: list[Any] = [np.empty(0, dtype) for dtype in (*NODES.values(), np.int64, np.int64)]
    return Trees(*[*nothing, np.zeros(outputs)])


def read_trees(boosted: Any) -> Trees:  # noqa: ANN401  scikit-learn has no types
    """The trees of a fitted HistGradientBoostingClassifier, which has no public name for them."""
    by_iteration = boosted._predictors
    nodes = [tree.nodes for trees in by_iteration for tree in trees]
    root_R = np.cumsum([0, *map(len, nodes)])[:-1].astype(np.int64)
    every_T = np.concatenate(nodes)
    offset_T = np.repeat(root_R, [len(each) for each in nodes])
    is_leaf_T = every_T["is_leaf"].astype(bool)
    arrays: list[Any] = [
        np.where(is_leaf_T, -1, every_T["feature_idx"]).astype(np.int32),
        every_T["num_threshold"].astype(np.float64),
        (every_T["left"] + offset_T).astype(np.int32),
        (every_T["right"] + offset_T).astype(np.int32),
        every_T["value"].astype(np.float64),
        root_R,
        np.tile(np.arange(len(by_iteration[0])), len(by_iteration)).astype(np.int64),
        np.asarray(boosted._baseline_prediction, np.float64).reshape(-1),
    ]
    return Trees(*arrays)
