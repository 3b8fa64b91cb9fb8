"""Labels in tar files as they are written: whole numbers, names, or lists of one of them."""

import json
import re
from collections.abc import Iterable
from typing import Final

from labelbench_ray.datasets import UNLABELED
from labelbench_ray.datasets.row_files.tar_members import Label, Sample
from labelbench_ray.errors import DataError

DIGITS: Final = re.compile(r"-?[0-9]+")
NUMBER: Final = re.compile(r"-?[1-9][0-9]{0,17}|0")


def are_numbers(texts: Iterable[str]) -> bool:
    """Whether every text of digits alone is a number as Python writes it: `007` beside `7` are two names."""
    return all(NUMBER.fullmatch(text) for text in texts if DIGITS.fullmatch(text))


def kind_of_label(label: object) -> str:
    """What all labels of a data set must be."""
    if isinstance(label, list):
        return f"a list of {kind_of_label(label[0])}"
    return "a number" if isinstance(label, int) else "a name"


def label_of_text(text: str | None, numbers: bool) -> Label:
    """The label of a `.cls` member; an empty one, and -1, are none."""
    if numbers and text and NUMBER.fullmatch(text):
        return int(text)
    return None if text in ("", str(UNLABELED)) else text


def label_of_key(where: str, sample: Sample, key: str, lists: bool) -> Label:
    """The label that a key of `.json` holds, as it is written: a whole number, a name, or a list of them."""
    value: Label = None if sample.json is None else sample.json.get(key)
    if value is None:
        return None
    if lists != isinstance(value, list):
        fix = (
            "write a list, or name the key as `label`" if lists else "name the key as `label_list`, or write one label"
        )
        raise DataError(f"{where}: {str(value)[:40]!r} is {'not ' if lists else ''}a list; {fix}")
    entries = value if isinstance(value, list) else [value]
    for each in entries:
        if not _is_label(each):
            raise DataError(
                f"{where}: {json.dumps(each)[:40]} is neither a name nor a whole number of 64 bits; write one of them"
            )
    if len({type(each) for each in entries}) > 1:
        raise DataError(f"{where}: {json.dumps(value)[:60]} holds names and numbers; write one of them in all lists")
    return value


def _is_label(value: object) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
