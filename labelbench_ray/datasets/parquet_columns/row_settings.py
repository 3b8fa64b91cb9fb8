"""The settings that the data sets of rows with columns share, and what is wrong with them together."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from labelbench_ray.datasets import Dataset, Modality
from labelbench_ray.datasets._evaluation import check_further
from labelbench_ray.pool.facts import fact_name_trouble


class RowSettings(Dataset):
    """Rows of files, whose columns hold payloads, labels, ids, groups and facts."""

    payload: Annotated[Modality, AfterValidator(Modality.of_column)]
    label_list: str | None = None
    """The column of lists of class names or numbers (the task `multi_label`); then `label` is not read."""
    label_value: str | None = None
    """The column of numbers to predict (the task `regression`); then `label` is not read. Null: no answer."""
    unknown_list: str | None = None
    """The column of lists of those classes of which it is unknown whether a row has them (VOC's *difficult*)."""
    classes: tuple[str, ...] | None = None
    """Class names in order; None: those that the files' metadata state, or the distinct labels of train, sorted."""
    splits: dict[str, str] = Field(default={}, exclude_if=lambda splits: not splits)
    """Further evaluation splits: a name, such as `test_rotated`, and its files as for `train`."""
    group: str | None = Field(default=None, exclude_if=lambda group: group is None)
    """The column of the groups by which evaluation splits are compared; a split without this column has no groups."""
    facts: tuple[str, ...] = Field(default=(), exclude_if=lambda facts: not facts)
    """Columns of numbers that strategies may read of the pool's rows, such as `num_tokens`."""

    @property
    def task(self) -> str:
        return "multi_label" if self.label_list else "regression" if self.label_value else "single_label"

    def modality(self) -> Modality:
        return self.payload

    @property
    def label_settings(self) -> dict[str, str | None]:
        """The columns of labels that settings name, by setting."""
        names = ("label", "label_list", "label_value", "label_name", "unknown_list")
        return {name: getattr(self, name) for name in names if name in type(self).model_fields}

    @field_validator("facts")
    @classmethod
    def _check_fact_names(cls, facts: tuple[str, ...]) -> tuple[str, ...]:
        for name in facts:
            if trouble := fact_name_trouble(name):
                raise ValueError(trouble)
            if facts.count(name) > 1:
                raise ValueError(f"{name!r} is named {facts.count(name)} times; name each column once")
        return facts

    @field_validator("splits")
    @classmethod
    def _check_split_names(cls, splits: dict[str, str]) -> dict[str, str]:
        return check_further(splits)

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.unknown_list and not self.label_list:
            raise ValueError(
                f"unknown_list={self.unknown_list!r} is for rows with several labels; name their column as `label_list`"
            )
        if trouble := facts_of_labels(self.facts, self.label_settings.values()):
            raise ValueError(trouble)
        return self


def facts_of_labels(facts: Iterable[str], labels: Iterable[str | None]) -> str:
    """Why these columns may not be facts if those are columns of labels; "" if they may."""
    hidden = set(labels)
    seen = next((name for name in facts if name in hidden), None)
    if seen is None:
        return ""
    return f"facts: {seen!r} is a column of labels, which no strategy may see before it pays for them; leave it out"
