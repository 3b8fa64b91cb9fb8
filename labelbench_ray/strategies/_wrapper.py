"""Strategies made of other strategies."""

from typing import Final, Self

import numpy as np
from pydantic import model_validator

from labelbench_ray import plugins
from labelbench_ray.plugins import Part
from labelbench_ray.strategies._strategy import PACKAGE, MemoryStrategy, Strategy
from labelbench_ray.types import Ask, Ids, PoolView

OWN_ROW: Final = 64
"""Bytes that a wrapper holds for each pool row beside its strategy; 49 were measured."""


class Composed(Strategy):
    """A strategy whose settings of type `Part`, or tuples of them, are strategies.

    It can choose the first batch if they all can.
    """

    def inner_plugins(self) -> dict[str, plugins.Plugin]:
        return dict(self._inner())

    @classmethod
    def table_row(cls) -> dict[str, str]:
        row, inner = super().table_row(), "what its strategy wants"
        return row | {"wants": f"{row['wants']}, and {inner}" if cls.wants else inner}

    @property
    def cold_start(self) -> bool:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return all(strategy.cold_start for strategy in self._inner().values())

    @property
    def bytes_per_row(self) -> int:  # type: ignore[override]  # as `cold_start`
        return OWN_ROW + max((strategy.bytes_per_row for strategy in self._inner().values()), default=0)

    @property
    def bytes_per_row_and_class(self) -> int:  # type: ignore[override]  # as `cold_start`
        return max((strategy.bytes_per_row_and_class for strategy in self._inner().values()), default=0)

    @property
    def on_device(self) -> bool:  # type: ignore[override]  # as `cold_start`
        return all(strategy.on_device for strategy in self._inner().values())

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # as `cold_start`
        return tuple(sorted({name for strategy in self._inner().values() for name in strategy.facts}))

    @property
    def needs_ask(self) -> bool:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return any(strategy.needs_ask for strategy in self._inner().values())

    def _inner(self) -> dict[str, Strategy]:
        return {name: plugins.build(Strategy, PACKAGE, part) for name, part in plugins.parts_of(self).items()}

    @model_validator(mode="after")
    def _refuse_what_cannot_be_made(self) -> Self:
        parts = plugins.parts_of(self)
        for name, strategy in self._inner().items():
            if isinstance(strategy, MemoryStrategy):
                raise ValueError(
                    f"{name}: {parts[name].name!r} keeps notes from round to round, which a wrapper does not "
                    "pass on; use it without a wrapper"
                )
            if strategy.sees_labels:
                raise ValueError(
                    f"{name}: {parts[name].name!r} sees labels of the pool, which no other strategy may use; name it "
                    "as the trial's strategy"
                )
        return self


class Wrapper(Composed):
    """A strategy that lets another choose among some of the rows."""

    strategy: Part = Part(name="margin")

    def _choose_among(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        """What the wrapped strategy chooses of this view, with a stream of its own."""
        return self._inner()["strategy"].select(view, budget, np.random.default_rng(key), ask)
