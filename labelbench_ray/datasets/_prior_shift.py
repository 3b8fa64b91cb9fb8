"""Prior shift: what of a data set's test rows is measured under other class shares."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from labelbench_ray import plugins, tasks


class PriorShift(plugins.Plugin):
    """The settings of every data set that concern the measuring alone: a store does not depend on them."""

    prior_alphas: tuple[Annotated[float, Field(ge=1e-4, lt=999_999.5)], ...] = Field(
        default=(), exclude_if=lambda alphas: not alphas
    )
    """Measure the test rows under shifted class shares too, drawn from symmetric Dirichlet distributions with these
    parameters, from 0.0001 to 999,999: 10 shifts them a little, 0.1 leaves few classes. Metrics name them by their
    first six digits."""

    @property
    def task(self) -> str:
        """The name of the task: what a label of its rows is."""
        return "single_label"

    @property
    def stored(self) -> Self:
        """The same data set without what concerns the measuring alone: what its embedding store is made from."""
        return self.model_copy(update={"prior_alphas": ()}) if self.prior_alphas else self

    @model_validator(mode="after")
    def _refuse_shares_of_no_classes(self) -> Self:
        if self.prior_alphas and "single_label" not in tasks.create(self.task).kinds():
            raise ValueError(
                f"prior_alphas: shares of classes are shifted where rows have one label, not {self.task!r}; "
                "leave it out"
            )
        if len({f"{alpha:g}" for alpha in self.prior_alphas}) < len(self.prior_alphas):
            raise ValueError(
                f"prior_alphas: {list(self.prior_alphas)} names one twice, to the six digits that metrics state; give "
                "each once"
            )
        return self
