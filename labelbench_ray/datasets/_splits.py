"""How the files that a data set has become the splits `pool`, `validation` and `test`."""

from collections.abc import Mapping

import numpy as np

from labelbench_ray.datasets import SPLIT_SEED, Split, Table, halves


def all_rows(table: Table) -> Split:
    """All rows of a table."""
    return Split(table, range(len(table)))


def halved(train: Table, test: Table) -> dict[str, Split]:
    """The official test set halved into validation and test, as in LabelBench."""
    validation_rows, test_rows = halves(len(test))
    return {"pool": all_rows(train), "validation": Split(test, validation_rows), "test": Split(test, test_rows)}


def tenths(train: Table) -> dict[str, Split]:
    """80 / 10 / 10 of the only table there is, as in LabelBench."""
    order_N = np.random.RandomState(SPLIT_SEED).permutation(len(train))  # the published splits use it
    cuts = [int(0.8 * len(train)), int(0.9 * len(train))]
    parts = zip(("pool", "validation", "test"), np.split(order_N, cuts), strict=True)
    return {name: Split(train, np.sort(rows)) for name, rows in parts}


def arrange(train: Table, validation: Table | None, test: Table | None) -> dict[str, Split]:
    """The splits of a source that may lack some: a single held-out table is halved, none is cut from train."""
    if validation is not None and test is not None:
        return {"pool": all_rows(train), "validation": all_rows(validation), "test": all_rows(test)}
    held_out = test if test is not None else validation
    return tenths(train) if held_out is None else halved(train, held_out)


def origins(tables: Mapping[str, str]) -> dict[str, str]:
    """Where the splits that `arrange` makes come from, in words, given where `train` and the held-out tables do."""
    train, held_out = tables["train"], [tables[part] for part in ("validation", "test") if part in tables]
    if len(held_out) == 2:
        return {"pool": train, "validation": held_out[0], "test": held_out[1]}
    if held_out:
        return {"pool": train, "validation": f"half of {held_out[0]}", "test": f"half of {held_out[0]}"}
    return {"pool": f"80 % of {train}", "validation": f"10 % of {train}", "test": f"10 % of {train}"}
