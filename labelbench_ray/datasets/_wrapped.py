"""Data sets around another data set: what they take over from it."""

from typing import Self

from pydantic import model_validator

from labelbench_ray import plugins
from labelbench_ray.datasets import PACKAGE, Dataset, Modality
from labelbench_ray.plugins import Part


class Wrapped(Dataset):
    """A data set made from another one, which is part of its recipe."""

    dataset: Part
    """The data set."""

    def inner_plugins(self) -> dict[str, plugins.Plugin]:
        return {"dataset": self.inner}

    @property
    def inner(self) -> Dataset:
        """The data set that this one is made from."""
        return plugins.build(Dataset, PACKAGE, self.dataset)

    @property
    def task(self) -> str:
        return self.inner.task

    def modality(self) -> Modality:
        return Modality.of(self.inner.modality())

    @model_validator(mode="after")
    def _refuse_shares_that_nothing_reads(self) -> Self:
        if alphas := self.inner.prior_alphas:
            raise ValueError(
                f"dataset: {self.dataset}: prior_alphas belongs to the data set that a trial names; give "
                f"{list(alphas)} to the outer one"
            )
        return self
