"""An upper bound that sees labels: of many candidate batches, the one after which the model is best."""

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from labelbench_ray.plugins import Part
from labelbench_ray.strategies import UpperBound, Want, Worth
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.types import Ids, PoolView


class OracleBatch(UpperBound):
    """UPPER BOUND, SEES LABELS: the candidate batch with which the proxy reaches the best validation accuracy.

    Each of `strategies` proposes a batch of the whole pool, then of a random half of it, of a quarter, of an eighth,
    and so on, until there are `candidates`. Each candidate is added with its labels, the proxy is fitted anew, and the
    batch whose model has the highest validation accuracy is chosen, the first of equal ones. A round takes `candidates`
    more fits than that of another strategy: it is meant for light proxies, and full models are refused.

    It is not for use: nobody knows the labels of a batch before choosing it. It chooses by validation rows and never by
    test rows, where it would look better than what it bounds by chance alone.
    """

    wants: ClassVar[tuple[Want, ...]] = ()
    tasks: ClassVar[tuple[str, ...]] = ("single_label",)
    cost: ClassVar[str] = "candidates times (its strategy on the sample, and one fit of the proxy)"
    guarantee: ClassVar[str] = "the best of its candidates by validation accuracy; batches beyond them may be better"
    source: ClassVar[str] = (
        "as Huseljic et al., *BoSS: A Best-of-Strategies Selector as an Oracle for Deep Active Learning*, 2026, "
        "[2603.13109](https://arxiv.org/abs/2603.13109), with other strategies and samples"
    )
    strategies: Annotated[tuple[Part, ...], Field(min_length=1)] = (
        Part(name="margin"),
        Part(name="badge"),
        Part(name="power_margin"),
        Part(name="coreset"),
        Part(name="typiclust"),
        Part(name="random"),
    )
    """Who proposes candidates, in turns."""
    candidates: PositiveInt = 24
    """Batches that are tried in each round."""

    @model_validator(mode="after")
    def _refuse_asking(self) -> Self:
        for name, strategy in self._inner().items():
            if strategy.needs_ask:
                raise ValueError(
                    f"{name}: asks for labels while it chooses, and only the best candidate is bought; name another "
                    "strategy, such as 'margin'"
                )
        return self

    def choose_by_worth(self, view: PoolView, budget: int, key: int, worth: Worth) -> Ids:
        candidates = [self._candidate(view, budget, key, number) for number in range(self.candidates)]
        return candidates[int(np.argmax([worth(ids_B) for ids_B in candidates]))]

    def _candidate(self, view: PoolView, budget: int, key: int, number: int) -> Ids:
        turn, place = divmod(number, len(self.strategies))
        own = subkey(key, f"candidate {number}")
        if turn:
            rows = max(budget, view.num_unlabeled >> turn)
            view = view.only(sample(view.open_ids(), subkey(own, "sample"), rows))
        return self._inner()[f"strategies.{place}"].select(view, budget, np.random.default_rng(own))
