"""What a model predicts of a row: a class, each class on its own, or a number. And how uncertain a prediction is.

A softmax predicts a categorical distribution, K sigmoids predict K Bernoulli ones; a number is predicted as it is.
Strategies that serve several ask the distribution of a view, so that what probabilities mean is stated here alone.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_ray.pool import checks, passes

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
UNCERTAIN: Final = (
    "a predicted number has no probabilities, so it is not known how uncertain it is; use a strategy that reads "
    "embeddings, such as 'coreset' or 'typiclust'"
)


class Distribution(ABC):
    """How the K probabilities of a row belong together. Every function takes (B, K) float32 and leaves it unchanged.

    The scores of `CATEGORICAL` also take torch tensors, on any device, and are tensors there.
    """

    @abstractmethod
    def of_logits(self, logits_BK: Floats) -> Floats:
        """(B, K) probabilities. Works in place on `logits_BK`, which the caller gives up."""

    @abstractmethod
    def uninformed(self, rows: int, num_classes: int) -> Floats:
        """(B, K) what a model predicts that has learned nothing."""

    @abstractmethod
    def checked(self, given: ArrayLike | None, num_rows: int) -> Floats:
        """(N, K) probabilities as a user passed them; `ValueError` states what is wrong with them."""

    @abstractmethod
    def normalized(self, given_BK: Floats) -> Floats:
        """(B, K) checked probabilities without the rounding that `checked` tolerates."""

    @abstractmethod
    def checked_labels(
        self, labeled: ArrayLike, labels: ArrayLike, num_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.number]]:
        """Labeled ids and their labels, aligned, as a user passed them; `ValueError` states what is wrong with them."""

    @abstractmethod
    def least_confidence(self, probabilities_BK: Floats) -> Scores:
        """(B,) how far the predicted answer is from certain."""

    @abstractmethod
    def small_margin(self, probabilities_BK: Floats) -> Scores:
        """(B,) 1 - the gap between the likeliest answer and the next one."""

    @abstractmethod
    def entropy(self, probabilities_BK: Floats) -> Scores:
        """(B,) entropy in nats."""

    @abstractmethod
    def residuals(self, probabilities_BK: Floats) -> Floats:
        """(B, K) the gradient of the loss at the predicted answer with respect to the logits."""


@dataclass(frozen=True, slots=True)
class Categorical(Distribution):
    """One class of K; the probabilities of a row sum to 1. Labels are class numbers (L,)."""

    def of_logits(self, logits_BK: Floats) -> Floats:
        softmax_BK: Floats = passes.softmax(logits_BK)
        return softmax_BK

    def uninformed(self, rows: int, num_classes: int) -> Floats:
        return np.full((rows, num_classes), 1 / num_classes, np.float32)

    def checked(self, given: ArrayLike | None, num_rows: int) -> Floats:
        return checks.distributions(given, num_rows)

    def normalized(self, given_BK: Floats) -> Floats:
        normalized_BK: Floats = given_BK / given_BK.sum(axis=1, keepdims=True)
        return normalized_BK

    def checked_labels(
        self, labeled: ArrayLike, labels: ArrayLike, num_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.number]]:
        return checks.labels(labeled, labels, num_classes)

    def least_confidence(self, probabilities_BK: Floats) -> Scores:
        scores_B: Scores = passes.least_confidence(probabilities_BK)
        return scores_B

    def small_margin(self, probabilities_BK: Floats) -> Scores:
        scores_B: Scores = passes.small_margin(probabilities_BK)
        return scores_B

    def entropy(self, probabilities_BK: Floats) -> Scores:
        scores_B: Scores = passes.entropy(probabilities_BK)
        return scores_B

    def residuals(self, probabilities_BK: Floats) -> Floats:
        residuals_BK: Floats = passes.residuals(probabilities_BK)
        return residuals_BK


@dataclass(frozen=True, slots=True)
class Bernoulli(Distribution):
    """Each of K classes on its own; probabilities lie in 0 .. 1 and need not sum to 1.

    Labels are rows of a matrix (L, K): 1 where the class is there, 0 where it is not, -1 where that is unknown.
    Uncertainty is the mean over the classes.
    """

    def of_logits(self, logits_BK: Floats) -> Floats:
        np.negative(logits_BK, out=logits_BK)
        with np.errstate(over="ignore"):  # exp is infinite for logits below -88, where the probability is 0
            np.exp(logits_BK, out=logits_BK)
        logits_BK += 1
        return np.reciprocal(logits_BK, out=logits_BK)

    def uninformed(self, rows: int, num_classes: int) -> Floats:
        return np.full((rows, num_classes), 0.5, np.float32)

    def checked(self, given: ArrayLike | None, num_rows: int) -> Floats:
        return checks.independent_probabilities(given, num_rows)

    def normalized(self, given_BK: Floats) -> Floats:
        return given_BK

    def checked_labels(
        self, labeled: ArrayLike, labels: ArrayLike, num_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.number]]:
        return checks.label_rows(labeled, labels, num_classes)

    def least_confidence(self, probabilities_BK: Floats) -> Scores:
        # 1/2 - |p - 1/2|, the probability of the other answer, which keeps the digits of a small p.
        other_BK = np.minimum(probabilities_BK, 1 - probabilities_BK)
        distance_B: Scores = other_BK.mean(axis=1, dtype=np.float64)
        return distance_B

    def small_margin(self, probabilities_BK: Floats) -> Scores:
        return 2 * self.least_confidence(probabilities_BK)

    def entropy(self, probabilities_BK: Floats) -> Scores:
        other_BK = np.minimum(probabilities_BK, 1 - probabilities_BK).astype(np.float64)
        logs_BK = np.log(np.maximum(other_BK, np.finfo(np.float32).tiny))  # 0 log 0 = 0
        entropy_BK = -other_BK * logs_BK - (1 - other_BK) * np.log1p(-other_BK)
        entropy_B: Scores = entropy_BK.mean(axis=1)
        return entropy_B

    def residuals(self, probabilities_BK: Floats) -> Floats:
        residuals_BK: Floats = np.where(probabilities_BK >= 0.5, probabilities_BK - 1, probabilities_BK)
        return residuals_BK


@dataclass(frozen=True, slots=True)
class Real(Distribution):
    """A number: `probabilities` hold what is predicted, (B, 1), and there is no measure of how certain that is.

    Answers are (L,) float64.
    """

    def of_logits(self, logits_BK: Floats) -> Floats:
        return logits_BK

    def uninformed(self, rows: int, num_classes: int) -> Floats:
        return np.zeros((rows, num_classes), np.float32)

    def checked(self, given: ArrayLike | None, num_rows: int) -> Floats:
        return checks.predictions(given, num_rows)

    def normalized(self, given_BK: Floats) -> Floats:
        return given_BK

    def checked_labels(
        self, labeled: ArrayLike, labels: ArrayLike, num_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.number]]:
        return checks.answers(labeled, labels)

    def least_confidence(self, probabilities_BK: Floats) -> Scores:
        raise ValueError(UNCERTAIN)

    def small_margin(self, probabilities_BK: Floats) -> Scores:
        raise ValueError(UNCERTAIN)

    def entropy(self, probabilities_BK: Floats) -> Scores:
        raise ValueError(UNCERTAIN)

    def residuals(self, probabilities_BK: Floats) -> Floats:
        raise ValueError(UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Unpredicted(Distribution):
    """No model predicts the answers, which are not classes: labels are rows of numbers (L, W), and nothing is scored.

    Every function that needs a prediction refuses; a plan names the strategies that do without.
    """

    def of_logits(self, logits_BK: Floats) -> Floats:
        return self._refuse()

    def uninformed(self, rows: int, num_classes: int) -> Floats:
        return self._refuse()

    def checked(self, given: ArrayLike | None, num_rows: int) -> Floats:
        return np.zeros((num_rows, 1), np.float32) if given is None else self._refuse()

    def normalized(self, given_BK: Floats) -> Floats:
        return self._refuse()

    def checked_labels(
        self, labeled: ArrayLike, labels: ArrayLike, num_classes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
        return checks.rows_of_numbers(labeled, labels)

    def least_confidence(self, probabilities_BK: Floats) -> Scores:
        return self._refuse()

    def small_margin(self, probabilities_BK: Floats) -> Scores:
        return self._refuse()

    def entropy(self, probabilities_BK: Floats) -> Scores:
        return self._refuse()

    def residuals(self, probabilities_BK: Floats) -> Floats:
        return self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(
            "class probabilities: answers to this pool are text, which no proxy predicts; use a strategy that reads "
            "embeddings or facts, such as 'mean_token_margin'"
        )


CATEGORICAL: Final = Categorical()
BERNOULLI: Final = Bernoulli()
REAL: Final = Real()
UNPREDICTED: Final = Unpredicted()
