"""Annotators of different ability, each with classes of their own that they prefer when they are wrong."""

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from labelbench_ray.corrupters import SeededCorrupter, TruePool
from labelbench_ray.types import Labels


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The annotators of a trial: (W,) how often each is right, and (W, K) the classes that each prefers when wrong."""

    abilities_W: NDArray[np.float64]
    preferences_WK: NDArray[np.float64]

    def matrices(self) -> NDArray[np.float64]:
        """(W, K, K): entry (w, c, k) is the probability that annotator w answers k for a row of class c."""
        classes = self.preferences_WK.shape[1]
        wrong_WKK = self.preferences_WK[:, None, :] * (1 - np.eye(classes))
        wrong_WKK /= wrong_WKK.sum(axis=2, keepdims=True)
        right_W = self.abilities_W[:, None, None]
        matrices_WKK: NDArray[np.float64] = right_W * np.eye(classes) + (1 - right_W) * wrong_WKK
        return matrices_WKK


class Annotators(SeededCorrupter):
    """Each row goes to `votes` different annotators, drawn evenly; the most frequent answer counts.

    An annotator is right with a probability drawn from a Beta distribution, and otherwise answers another class by
    preferences drawn from a Dirichlet distribution. Answers are drawn anew for each row and each ask. Among equally
    frequent answers the earliest counts. A label of the budget is a row with all its votes, so that it costs `votes`
    times as much as one answer.
    """

    annotators: PositiveInt = 5
    ability: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """The mean of the Beta distribution."""
    ability_concentration: PositiveFloat = 10.0
    """The sum of its two parameters: the larger, the more alike annotators are."""
    bias_concentration: PositiveFloat = 1.0
    """Each parameter of the Dirichlet distribution: the larger, the more evenly wrong answers are spread."""
    votes: PositiveInt = 1

    @model_validator(mode="after")
    def _check_votes(self) -> Self:
        if self.votes > self.annotators:
            raise ValueError(f"votes: {self.votes} is more than annotators={self.annotators}; each votes once on a row")
        return self

    def panel(self, pool: TruePool) -> Panel:
        """The annotators that a trial meets."""
        rng = self.stream(pool, purpose="annotators")
        right, wrong = self.ability * self.ability_concentration, (1 - self.ability) * self.ability_concentration
        abilities_W = rng.beta(right, wrong, self.annotators)
        # Gamma variates, normalized; the smallest normal number keeps every class possible.
        preferences_WK = rng.gamma(self.bias_concentration, size=(self.annotators, len(pool.classes)))
        preferences_WK = np.maximum(preferences_WK, np.finfo(np.float64).tiny)
        return Panel(abilities_W, preferences_WK / preferences_WK.sum(axis=1, keepdims=True))

    def asked(self, pool: TruePool, time: int) -> Labels:
        """(N,) what the annotators answer who are asked as number `time`, from 0, for each row."""
        panel = self.panel(pool)
        first_N = self.stream(pool, purpose="assignment").integers(self.annotators, size=len(pool.labels_N))
        annotators_N = (first_N + time) % self.annotators
        draws_N = self.stream(pool, time).random(len(pool.labels_N))
        answers_N = pool.labels_N.copy()
        groups_N = annotators_N * len(pool.classes) + pool.labels_N
        ordered_N = np.argsort(groups_N, kind="stable")
        starts_G = np.flatnonzero(np.diff(groups_N[ordered_N], prepend=-1))
        matrices_WKK = panel.matrices()
        for rows in np.split(ordered_N, starts_G[1:]) if len(ordered_N) else ():
            cumulative_K = matrices_WKK[annotators_N[rows[0]], pool.labels_N[rows[0]]].cumsum()
            answers_N[rows] = np.searchsorted(cumulative_K / cumulative_K[-1], draws_N[rows], side="right")
        return answers_N

    def answers(self, pool: TruePool) -> Labels:
        answers_VN = np.stack([self.asked(pool, time) for time in range(self.votes)])
        agreeing_VN = (answers_VN[:, None] == answers_VN[None]).sum(axis=1)
        most_N: Labels = np.take_along_axis(answers_VN, agreeing_VN.argmax(axis=0)[None], axis=0)[0]
        return most_N
