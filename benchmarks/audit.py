"""Accuracy without a test set: coverage and error of the audit estimate, over 2,000 uniform slices of real pools.

.venv/bin/python benchmarks/audit.py --data-root DIR    # Banking77 and CIFAR-10; about 2 CPU minutes
.venv/bin/python benchmarks/audit.py --tiny             # made-up confidences, 200 draws

A logistic regression on TF-IDF features of Banking77 (1,500 labels), and on EfficientNet-Lite0 features at 64 pixels of
8,000 images of CIFAR-10 (1,000 labels), predicts the rest of the pool. Of that rest, slices of 100, 200, 400 and 800
rows are drawn; the truth is the accuracy on all of it. `error_of_plain` is the root mean squared error over that of
the plain share of the same slice, `half_width` is in points. Slices are compared with all other rows' confidences;
`banking77_reserve`: with those of a reserve of 1,000 rows, drawn anew each time, as a campaign compares them.

`reference_bias`: the model of Banking77 learns from the 1,500 rows of the smallest margins instead, with 1,000 audit
rows closed to it. The confidences of the slice may be compared with those of the reserve, or of the complete pool, rows
that were trained on included: how many points the second moves the estimate, in the mean over ten reserves.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from machine import parser, show, show_skipped
from numpy.typing import NDArray

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets import Split
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.report.statistics.audit import (
    AuditEstimate,
    audit_estimate,
    ppi_weight,
    prediction_powered_estimate,
    wilson_estimate,
)

SIZES: Final = (100, 200, 400, 800)
DRAWS: Final = 2000
COVERAGE: Final = (0.92, 0.98)
MOST_ERROR, MOST_ERROR_AT_100 = 0.92, 0.95
CORRELATED: Final = 0.45
"""From this correlation on, the target of the error applies."""
IMAGES, IMAGE_BATCH = 8000, 100
RESERVE, RESERVES = 1000, 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """A pool that a model has predicted: whether it is right, and its confidence."""

    correct_N: NDArray[np.bool_]
    confidence_N: Floats


def banking77(root: Path) -> tuple[Any, NDArray[np.int64]]:
    """TF-IDF features and labels of the pool."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    split = _pool("banking77", root)
    records = split.read(0, len(split))
    return TfidfVectorizer().fit_transform(records.payloads), records.labels_B


def cifar10(root: Path) -> tuple[Any, NDArray[np.int64]]:
    """Standardized features of the first images, and labels."""
    from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0

    split, encoder = _pool("cifar10", root), EfficientnetLite0(size=64)
    network = encoder.load("cpu")
    blocks = [split.read(first, first + IMAGE_BATCH) for first in range(0, IMAGES, IMAGE_BATCH)]
    features = [network.embed([encoder.decode(payload) for payload in block.payloads]) for block in blocks]
    features_ND = np.concatenate(features).astype(np.float32)
    scaled_ND = (features_ND - features_ND.mean(axis=0)) / (features_ND.std(axis=0) + 1e-6)
    return scaled_ND, np.concatenate([block.labels_B for block in blocks])


def _pool(name: str, root: Path) -> Split:
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name=name)).open(root).splits["pool"]


def made_up(rows: int) -> Predicted:
    """Confidences that correlate .5 with correctness."""
    rng = np.random.default_rng(0)
    confidence_N = rng.beta(1.6, 0.8, rows)
    return Predicted(rng.random(rows) < confidence_N, confidence_N)


def probabilities(features: Any, labels_N: NDArray[np.int64], rows_L: NDArray[np.int64], penalty: float) -> Predicted:  # noqa: ANN401
    """What a logistic regression on these rows predicts for all; `penalty` is the inverse of its strength."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty).fit(features[rows_L], labels_N[rows_L])
    found_NK = model.predict_proba(features)
    return Predicted(model.classes_[found_NK.argmax(axis=1)] == labels_N, found_NK.max(axis=1))


def without(found: Predicted, rows_L: NDArray[np.int64]) -> Predicted:
    """The rows that the model was not trained on."""
    kept_N = np.ones(len(found.correct_N), bool)
    kept_N[rows_L] = False
    return Predicted(found.correct_N[kept_N], found.confidence_N[kept_N])


def measure(pool: Predicted, sizes: Sequence[int], draws: int, compared: int | None = None) -> dict[str, Any]:
    """Coverage, error and width of each method on slices of each size; beside so many rows at most, slice included."""
    rows, truth = len(pool.correct_N), float(pool.correct_N.mean())
    methods: dict[str, Callable[..., AuditEstimate]] = {
        "plain": lambda correct_A, *_: wilson_estimate(correct_A),
        "strata": audit_estimate,
        "prediction_powered": prediction_powered_estimate,
    }
    measured: dict[str, Any] = {
        "rows": rows,
        "compared": compared,
        "accuracy": truth,
        "correlation": float(np.corrcoef(pool.correct_N, pool.confidence_N)[0, 1]),
        **{name: {} for name in methods},
    }
    for size in sizes:
        rng = np.random.default_rng([*b"audit", size])
        found: dict[str, list[AuditEstimate]] = {name: [] for name in methods}
        for _ in range(draws):
            order = rng.permutation(rows)
            inside, outside = order[:size], order[size:compared]
            given = pool.correct_N[inside], pool.confidence_N[inside], pool.confidence_N[outside], rows
            for name, method in methods.items():
                found[name].append(method(*given))
        plain = _error(found["plain"], truth)
        for name, estimates in found.items():
            measured[name][str(size)] = {
                "error_points": 100 * _error(estimates, truth),
                "error_of_plain": _error(estimates, truth) / plain,
                "coverage": float(np.mean([each.low <= truth <= each.high for each in estimates])),
                "half_width": float(np.mean([50 * (each.high - each.low) for each in estimates])),
            }
    return measured


def _error(estimates: Sequence[AuditEstimate], truth: float) -> float:
    return float(np.sqrt(np.mean([(each.accuracy - truth) ** 2 for each in estimates])))


def reference_bias(features: Any, labels_N: NDArray[np.int64]) -> float:  # noqa: ANN401
    """Points by which confidences of the complete pool move the estimate, after margin chose what to train on."""
    from sklearn.linear_model import LogisticRegression

    moved = []
    for seed in range(RESERVES):
        order = np.random.default_rng([*b"reserve", seed]).permutation(len(labels_N))
        reserve, rest = order[:RESERVE], order[RESERVE:]
        first = LogisticRegression(C=100.0).fit(features[rest[:500]], labels_N[rest[:500]])
        two_N2 = np.sort(first.predict_proba(features[rest[500:]]), axis=1)[:, -2:]
        smallest = np.argsort(two_N2[:, 1] - two_N2[:, 0], kind="stable")[:1000]
        found = probabilities(features, labels_N, np.concatenate([rest[:500], rest[500:][smallest]]), 100.0)
        correct_A, confidence_A = found.correct_N[reserve], found.confidence_N[reserve]
        weight = ppi_weight(correct_A, confidence_A, found.confidence_N)
        moved.append(100 * weight * (found.confidence_N.mean() - confidence_A.mean()))
    return float(np.mean(moved))


def reached(measured: dict[str, Any]) -> bool:
    """Whether the default's coverage, and its error where confidence correlates, are as asked for."""
    return all(
        COVERAGE[0] <= each["coverage"] <= COVERAGE[1]
        and (
            measured["compared"] is not None
            or measured["correlation"] < CORRELATED
            or each["error_of_plain"] <= (MOST_ERROR_AT_100 if size == "100" else MOST_ERROR)
        )
        for size, each in measured["strata"].items()
    )


def main(words: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser(__doc__)
    options.add_argument("--tiny", action="store_true")
    given: argparse.Namespace = options.parse_args(words)
    if given.tiny:
        measured: dict[str, Any] = {"made_up": measure(made_up(2000), SIZES[:1], 200)}
    else:
        root = Path(given.data_root)
        try:
            texts, labels_N = banking77(root)
            images, image_labels_N = cifar10(root)
        except NotProvidedError as error:
            show_skipped("audit", str(error))
            return
        learned = np.random.default_rng(0).permutation(len(labels_N))[:1500]
        asked = without(probabilities(texts, labels_N, learned, 100.0), learned)
        measured = {
            "banking77": measure(asked, SIZES, DRAWS),
            "banking77_reserve": measure(asked, SIZES, DRAWS, RESERVE),
        }
        measured["banking77"]["reference_bias"] = reference_bias(texts, labels_N)
        learned = np.random.default_rng(0).permutation(len(image_labels_N))[:1000]
        seen = probabilities(images, image_labels_N, learned, 0.01)
        measured["cifar10"] = measure(without(seen, learned), SIZES, DRAWS)
    target = {
        "coverage": list(COVERAGE),
        "error_of_plain": MOST_ERROR,
        "error_of_plain_at_100": MOST_ERROR_AT_100,
        "where_correlation": CORRELATED,
    }
    show("audit", measured, target, met=all(reached(each) for each in measured.values()))


if __name__ == "__main__":
    main()
