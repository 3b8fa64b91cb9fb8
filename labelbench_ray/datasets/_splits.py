"""How the files that a data set has become the splits `pool`, `validation` and `test`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import SPLIT_SEED, FileTable, LabeledTable, Rows, Split, Table, halves, without_label
from labelbench_ray.errors import DataError


def unlabeled_rows(table: Table) -> NDArray[np.int64]:
    """The numbers of the rows without a label, as far as a table knows its labels without reading payloads."""
    if not isinstance(table, LabeledTable):
        return np.empty(0, np.int64)
    return np.flatnonzero(without_label(table.labels(range(len(table)))))


def all_rows(table: Table) -> Split:
    """All rows of a table."""
    return Split(table, range(len(table)))


def evaluated(name: str, table: Table) -> Split:
    """All rows of a table as the further evaluation split of that name; `DataError` for a row without a label."""
    check_labeled(table, f"rows of the split {name!r}")
    return all_rows(table)


def halved(train: Table, test: Table) -> dict[str, Split]:
    """The official test set halved into validation and test, as in LabelBench."""
    validation_rows, test_rows = halves(len(test))
    return {"pool": all_rows(train), "validation": Split(test, validation_rows), "test": Split(test, test_rows)}


def quarters(num_rows: int) -> tuple[Rows, Rows]:
    """The rows of `torch.utils.data.random_split` into 1/4 and 3/4 with a generator of seed 42, each ascending.

    LabelBench cuts ImageNet's and COCO's validation sets so.
    """
    # Imported here: only data sets with this split pay for torch, and only when their data is there.
    import torch

    order_N = torch.randperm(num_rows, generator=torch.Generator().manual_seed(SPLIT_SEED))
    cut = num_rows // 4
    return order_N[:cut].sort().values.numpy(), order_N[cut:].sort().values.numpy()


def tenths(train: Table) -> dict[str, Split]:
    """80 / 10 / 10 of the only table there is, as in LabelBench."""
    order_N = np.random.RandomState(SPLIT_SEED).permutation(len(train))  # the published splits use it
    cuts = [int(0.8 * len(train)), int(0.9 * len(train))]
    parts = zip(("pool", "validation", "test"), np.split(order_N, cuts), strict=True)
    return {name: Split(train, np.sort(rows)) for name, rows in parts}


def arrange(train: Table, validation: Table | None, test: Table | None) -> dict[str, Split]:
    """The splits of a source that may lack some: a single held-out table is halved, none is cut from train.

    None is cut from a train table with unlabeled rows either: all of it is the pool, and nothing can be measured.

    Raises:
        DataError: a held-out row without a label.
    """
    for held_out in (validation, test):
        if held_out is not None:
            check_labeled(held_out, "held-out rows")
    if validation is not None and test is not None:
        return {"pool": all_rows(train), "validation": all_rows(validation), "test": all_rows(test)}
    held_out = test if test is not None else validation
    if held_out is not None:
        return halved(train, held_out)
    nothing = Split(train, range(0))
    pool_alone = {"pool": all_rows(train), "validation": nothing, "test": nothing}
    return pool_alone if len(unlabeled_rows(train)) else tenths(train)


def check_labeled(table: Table, what: str) -> None:
    """Refuse a table with rows without labels; names the first."""
    if len(rows := unlabeled_rows(table)):
        row_id, file = f"number {rows[0]}", ""
        if isinstance(table, FileTable):
            row_id = table.row_ids(rows[:1])[0].as_py()
            file = f" of {table.found_files().names_F[int(table.file_numbers(rows[:1])[0])].as_py()}"
        raise DataError(
            f"{len(rows):,} of {len(table):,} {what} have no label, the first is {row_id!r}: they steer "
            f"training or measure it; label them, or take them out{file}"
        )


def without_unlabeled(tables: Mapping[str, Table]) -> tuple[dict[str, Table], tuple[str, ...]]:
    """The tables of the parts without held-out ones that have no label at all beside an unlabeled pool; and notes."""
    left = dict(tables)
    if len(unlabeled_rows(tables["train"])):
        for part in tables.keys() - {"train"}:
            if len(unlabeled_rows(tables[part])) == len(tables[part]):
                del left[part]
    return left, tuple(
        f"{part}: {len(tables[part]):,} rows without labels, not used" for part in tables if part not in left
    )


def origins(tables: Mapping[str, str]) -> dict[str, str]:
    """Where the splits that `arrange` makes come from, in words, given where `train` and the held-out tables do."""
    train, held_out = tables["train"], [tables[part] for part in ("validation", "test") if part in tables]
    if len(held_out) == 2:
        return {"pool": train, "validation": held_out[0], "test": held_out[1]}
    if held_out:
        return {"pool": train, "validation": f"half of {held_out[0]}", "test": f"half of {held_out[0]}"}
    return {"pool": f"80 % of {train}", "validation": f"10 % of {train}", "test": f"10 % of {train}"}
