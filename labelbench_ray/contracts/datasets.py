"""The laws of data sets: a row is the same whenever, wherever and in whatever order it is read."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.contracts.law import Law, require
from labelbench_ray.contracts.settings import sent
from labelbench_ray.datasets import UNLABELED, Dataset, LabeledTable, Modality, Records, Source, Split, without_label

MOST_ROWS: Final = 64
"""Of a split, which are read."""
STEADY: Final = "a row's number alone decides what `read` returns for it"


def opens_alike(dataset: Dataset, root: Path) -> None:
    """Twice, and in another process: a store must know the data that it was made from."""
    first, others = dataset.open(root), [dataset.open(root), sent(dataset).open(root)]
    for other in others:
        same = (first.classes, first.signature) == (other.classes, other.signature)
        fix = "sort what is listed, and let `signature` hash what identifies the content alone"
        require(same, "opened twice it states other classes or another signature", fix)
        sizes = [{name: len(split) for name, split in source.splits.items()} for source in (first, other)]
        require(sizes[0] == sizes[1], f"opened twice its splits have {sizes[0]} and {sizes[1]} rows", fix)


def has_the_splits(dataset: Dataset, root: Path) -> None:
    """`pool`, `validation` and `test`; others may come on top."""
    lacking = {"pool", "validation", "test"} - set(dataset.open(root).splits)
    require(not lacking, f"it has no split {sorted(lacking)}", "describe pool, validation and test in `load`")


def reads_whole_rows(dataset: Dataset, root: Path) -> None:
    """An id, a payload and a label each."""
    modality = Modality.of(dataset.modality())
    kind = modality.traits.payload
    source = dataset.open(root)
    for name, _, records in _read(source):
        rows = len(records.row_ids)
        counts = {rows, len(records.payloads), len(records.labels_B)}
        where = f"in the split {name!r}"
        require(
            len(counts) == 1, f"{where} it read {sorted(counts)} ids, payloads and labels", "read one of each a row"
        )
        texts = all(isinstance(each, str) for each in records.row_ids) and len(set(records.row_ids)) == rows
        require(texts, f"{where} ids repeat or are not texts", "give each row a key of its own, as a str")
        other = {type(each).__name__ for each in records.payloads if not isinstance(each, kind)}
        fix = f"set `modality`, or return {kind.__name__} for {modality.traits.plural}"
        require(not other, f"{where} a payload is {sorted(other)} for modality '{modality}'", fix)
        known = records.labels_B[_has_label(np.asarray(records.labels_B))]
        wrong = known[~source.task.is_label(known, len(source.classes))]
        rule = f"return {source.task.answer_rule(len(source.classes))}"
        require(not len(wrong), f"{where} a label is {wrong[:1]}", rule)


def reads_the_same_in_any_order(dataset: Dataset, root: Path) -> None:
    """Shards and resumed runs read other rows at once."""
    for name, split, records in _read(dataset.open(root)):
        order = np.random.default_rng(0).permutation(len(records.row_ids))
        numbers = np.asarray(split.rows[: len(order)])[order]
        shuffled = sent_table(split).read(numbers)
        require(
            shuffled.row_ids == [records.row_ids[place] for place in order]
            and list(shuffled.payloads) == [records.payloads[place] for place in order]
            and np.array_equal(shuffled.labels_B, records.labels_B[order]),
            f"rows of the split {name!r}, read in another order and by a copy of the table, are other rows",
            STEADY,
        )


def states_labels_as_read(dataset: Dataset, root: Path) -> None:
    """A table that knows its labels without payloads states those that it reads."""
    for name, split, records in _read(dataset.open(root)):
        if isinstance(split.table, LabeledTable):
            labels = split.table.labels(split.rows[: len(records.row_ids)])
            found = f"in the split {name!r} `labels` and `read` give different labels"
            require(np.array_equal(labels, records.labels_B), found, STEADY)


def sent_table(split: Split) -> Any:  # noqa: ANN401  any table
    """The table as a worker gets it."""
    return sent(split.table)


def _has_label(labels_B: NDArray[Any]) -> NDArray[np.bool_]:
    if labels_B.ndim == 1:
        return ~without_label(labels_B)
    some_B: NDArray[np.bool_] = labels_B.max(axis=1) > UNLABELED
    return some_B


def laws(root: Path) -> tuple[Law[Dataset], ...]:
    """Those of data that lie below `root`."""
    return tuple(Law(statement, partial(holds, root=root)) for statement, holds in STATEMENTS.items())


def _read(source: Source) -> Iterator[tuple[str, Split, Records]]:
    for name, split in source.splits.items():
        if len(split):
            yield name, split, split.read(0, min(len(split), MOST_ROWS))


STATEMENTS: Final = {
    "opens with the same classes, rows and signature, in every process": opens_alike,
    "has the splits pool, validation and test": has_the_splits,
    "reads an id of its own, a payload and a label for each row": reads_whole_rows,
    "reads the same rows in any order, in every process": reads_the_same_in_any_order,
    "states the labels that it reads": states_labels_as_read,
}
LAWS: Final = laws(Path("data"))
