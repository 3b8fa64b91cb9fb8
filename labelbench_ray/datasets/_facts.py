"""Facts of a data set's rows: only the pool has some, and each is a finite number in every row."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import Facts, checked_facts


def split_facts(dataset: object, name: str, given: Mapping[str, ArrayLike], num_rows: int) -> Facts:
    """The facts of a split as they must be; `DataError` states the data set, the split, the value and the rule."""
    if given and name != "pool":
        raise DataError(f"{dataset}, split {name!r}: has facts; facts are of pool rows, leave them out here")
    try:
        return checked_facts(given, num_rows)
    except ValueError as error:
        raise DataError(f"{dataset}, split {name!r}: {error}") from error
