"""Forecast of a trial's accuracy with more labels, and whether the next batch is likely to be worth it.

The forecast is the mean of three families of curves (`learning_curves`). Its band is a bootstrap within the run:
residuals of the fits, as if each curve had 2.5 parameters and with random signs, are added to the fitted curve, every
family is refitted, and a residual is added to what it predicts, since the next round is observed with noise, too. Bands
from other data sets do not transfer, so nothing is learnt from other runs. A backtest repeats the forecast after every
earlier round; where errors were larger than the band's half-width, the band is widened by the factor that 80 % of them
keep. Where a sample measured the accuracies, refits differ by its errors, too.
(Letters: T rounds, M targets, R refits.)
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from labelbench_ray.report.statistics.learning_curves import Floats, families, fit

LEAST_ROUNDS: Final = 4
"""A curve of fewer rounds is not forecast."""
FIRST_BACKTEST: Final = 2
"""Rounds of the shortest curve that is forecast in the backtest."""
BAND: Final = (0.05, 0.95)
CALL: Final = (0.1, 0.9)
"""The quantiles of the refits' gains that decide whether a batch is worth it."""
THRESHOLD: Final = 0.0025
"""The accuracy that a batch must bring to be worth it where no prices are given."""
REFITS: Final = 60
"""Of each family."""
PARAMETERS: Final = 2.5
LARGEST_FACTOR, FACTOR_QUANTILE = 4.0, 0.8
_SEED: Final = 20230613
_NO_WIDTH: Final = 1e-9


class Call(StrEnum):
    """Whether more labels bring at least so much."""

    LIKELY = "likely"
    UNCLEAR = "unclear"
    UNLIKELY = "unlikely"


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What a trial's accuracy will be at some targets."""

    labels_M: Floats
    accuracies_M: Floats
    low_M: Floats
    high_M: Floats
    """The 90 % band of the accuracy that will be observed, widened by `factor`."""
    gains_RM: Floats
    """The accuracy gained since the last round, without noise, by each refit."""
    factor: float
    held: int
    """Earlier forecasts whose unwidened band held the next round's accuracy."""
    backtests: int

    def call(self, target: int, least: float = THRESHOLD) -> Call:
        """Whether the labels up to a target bring at least `least`, by the 10 and 90 % quantiles of the gains."""
        low, high = np.quantile(self.gains_RM[:, target], CALL)
        return Call.LIKELY if low > least else Call.UNLIKELY if high < least else Call.UNCLEAR

    @property
    def has_spread(self) -> bool:
        """The refits differ: where all gain the same, nothing is known of the gain's error."""
        return bool((np.ptp(self.gains_RM, axis=0) > _NO_WIDTH).all())

    @property
    def trusted(self) -> bool:
        """Some earlier forecast of the curve held, and they were not far off."""
        return self.held > 0 and self.factor < LARGEST_FACTOR

    def advised(self, target: int) -> Call:
        """The call of a trusted forecast; unclear for others."""
        return self.call(target) if self.trusted else Call.UNCLEAR


def forecast(labels_T: Floats, accuracies_T: Floats, labels_M: Floats, errors_TT: Floats | None = None) -> Forecast:
    """The forecast at `labels_M`, all above the last round's labels; the same input gives the same one.

    Args:
        labels_T: of each round.
        accuracies_T: that were measured.
        labels_M: to forecast at.
        errors_TT: covariances of the accuracies' errors, where a sample measured them; None: they have no error.

    Raises:
        ValueError: fewer than four rounds, labels that do not increase, or values that are not finite.
    """
    _check(labels_T, accuracies_T, labels_M)
    rng = np.random.default_rng(_SEED)
    center_M, low_M, high_M, gains_RM = _band(labels_T, accuracies_T, labels_M, errors_TT, rng)
    ratios, held = [], 0
    for rounds in range(FIRST_BACKTEST, len(labels_T)):
        seen, following = slice(rounds), slice(rounds, rounds + 1)
        errors = None if errors_TT is None else errors_TT[seen, seen]
        (expected,), (low,), (high,), _ = _band(labels_T[seen], accuracies_T[seen], labels_T[following], errors, rng)
        observed = accuracies_T[rounds]
        held += bool(low <= observed <= high)
        ratios.append(abs(observed - expected) / max((high - low) / 2, _NO_WIDTH))
    factor = float(np.clip(np.quantile(ratios, FACTOR_QUANTILE), 1, LARGEST_FACTOR))
    low_M, high_M = center_M - factor * (center_M - low_M), center_M + factor * (high_M - center_M)
    return Forecast(labels_M, center_M, low_M, high_M, gains_RM, factor, held, len(ratios))


def _band(
    labels_T: Floats, accuracies_T: Floats, labels_M: Floats, errors_TT: Floats | None, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """The mean of the families (M,), the band around it, and the refits' gains (R, M)."""
    at_M = np.concatenate([labels_T[-1:], labels_M])
    every = families(labels_T, at_M)
    fitted = [fit(family, labels_T, accuracies_T[None]) for family in every]
    center_M = np.mean([predicted_1M[0, 1:] for _, predicted_1M in fitted], axis=0)
    rounds = len(labels_T)
    residuals = np.concatenate([accuracies_T - curve_1T[0] for curve_1T, _ in fitted])
    residuals = residuals * np.sqrt(rounds / max(1.0, rounds - PARAMETERS))
    observed, gains = [], []
    for family, (curve_1T, _) in zip(every, fitted, strict=True):
        refitted_RT = curve_1T + _noise(residuals, (REFITS, rounds), rng)
        if errors_TT is not None:
            refitted_RT += rng.multivariate_normal(np.zeros(rounds), errors_TT, REFITS)
        _, predicted_RM = fit(family, labels_T, refitted_RT)
        gains.append(predicted_RM[:, 1:] - predicted_RM[:, :1])
        observed.append(predicted_RM[:, 1:] + _noise(residuals, (REFITS, len(labels_M)), rng))
    low_M, high_M = np.quantile(np.concatenate(observed), BAND, axis=0)
    return center_M, np.minimum(low_M, center_M), np.maximum(high_M, center_M), np.concatenate(gains)


def _noise(residuals: Floats, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    noise: Floats = rng.choice(residuals, shape) * rng.choice(np.array([-1.0, 1.0]), shape)
    return noise


def _check(labels_T: Floats, accuracies_T: Floats, labels_M: Floats) -> None:
    if len(labels_T) < LEAST_ROUNDS or len(labels_T) != len(accuracies_T):
        raise ValueError(
            f"{len(labels_T)} rounds, {len(accuracies_T)} accuracies; a forecast needs {LEAST_ROUNDS} of each"
        )
    every = np.concatenate([labels_T, labels_M])
    if not (np.isfinite(every).all() and np.isfinite(accuracies_T).all() and every[0] > 0):
        raise ValueError("a forecast needs finite accuracies, and numbers of labels above 0")
    if (np.diff(labels_T) <= 0).any() or (labels_M <= labels_T[-1]).any():
        raise ValueError("labels must increase from round to round, and targets must lie above the last round's labels")
