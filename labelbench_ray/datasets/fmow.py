"""Functional Map of the World (Christie et al. 2018) as WILDS 1.1 publishes it: satellite images by year and region."""

from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Groups, Source, Split, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.listed_files import listed_files
from labelbench_ray.datasets.files.metadata_columns import integers, read_columns
from labelbench_ray.datasets.files.places import locate, missing
from labelbench_ray.errors import DataError

METADATA: Final = "rgb_metadata.csv"
COUNTRIES: Final = "country_code_mapping.csv"
IMAGES: Final = "images"
YEARS: Final = {"seen": (0, 2013), "between": (2013, 2016), "later": (2016, 10_000)}
"""From the first year up to the second, which is not among them."""
SPLITS: Final = {
    "pool": ("train", "seen"),
    "validation": ("val", "seen"),
    "test": ("test", "seen"),
    "validation_ood": ("val", "between"),
    "test_ood": ("test", "later"),
}
"""Our splits by the word in the column `split` and the years. WILDS's code gives the word `val` to another one of them
depending on an option; here a split's name always means the same rows."""
OTHER: Final = "Other"


class Fmow(Dataset):
    """`<path>/rgb_metadata.csv`, `country_code_mapping.csv` and `images/rgb_img_<row>.png`.

    Pool, `validation` and `test` are images from before 2013 (WILDS: `train`, `id_val`, `id_test`), as in LabelBench;
    `validation_ood` is from 2013 to 2015, `test_ood` from 2016 on. Sequestered rows are left out, and images keep the
    number of their row in the file. WILDS compares the worst region and leaves the region "Other" out.
    """

    path: str = Field("fmow_v1.1", min_length=1)
    """Below the data root, or a URI."""
    group: Literal["region", "year"] = "region"
    """What evaluation splits are compared by."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        for name in (METADATA, COUNTRIES):
            if not (top / name).exists():
                raise missing(top / name, f"{METADATA}, {COUNTRIES} and {IMAGES}/ of fmow_v1.1")
        where = str(top / METADATA)
        columns = read_columns(top / METADATA, ["split", "category", "timestamp", "country_code"])
        mapping = read_columns(top / COUNTRIES, ["alpha-3", "region"])
        regions = dict(zip(mapping["alpha-3"], mapping["region"], strict=True))
        words, years_N = np.array(columns["split"], np.str_), _years(columns["timestamp"], where)
        kept_N = np.flatnonzero(words != "seq")
        classes = tuple(sorted(set(columns["category"])))
        numbers = {name: number for number, name in enumerate(classes)}
        labels_N = np.array([numbers[columns["category"][row]] for row in kept_N], np.int64)
        table = listed_files(top, [f"{IMAGES}/rgb_img_{row}.png" for row in kept_N], labels_N, where)
        of_row = [regions.get(code) or OTHER for code in columns["country_code"]]
        group_N = np.array(of_row if self.group == "region" else years_N, np.str_)
        splits, used = {}, np.zeros(len(kept_N), np.bool_)
        for name, (word, span) in SPLITS.items():
            first, end = YEARS[span]
            inside_N = (words == word) & (years_N >= first) & (years_N < end)
            rows = np.flatnonzero(inside_N[kept_N])
            used[rows] = True
            splits[name] = Split(table, rows, groups=None if name == "pool" else _groups(group_N[kept_N][rows]))
        return Source(
            classes,
            splits,
            signature(["fmow", self.group, *classes, table.content, *((n, len(each)) for n, each in splits.items())]),
            Findings(
                {name: f"{word!r} of {METADATA}, years {span}" for name, (word, span) in SPLITS.items()},
                ignored(beside(top, [METADATA, COUNTRIES, IMAGES])),
                (
                    f"{len(words) - len(kept_N):,} sequestered rows are left out",
                    f"{int((~used).sum()):,} rows of other years than their split's are left out, as in WILDS",
                ),
            ),
        )


def _groups(names_N: NDArray[np.str_]) -> Groups:
    names, numbers_N = np.unique(names_N, return_inverse=True)
    return Groups(numbers_N.astype(np.int64), tuple(str(name) for name in names))


def _years(timestamps: list[str], where: str) -> NDArray[np.int64]:
    """(N,) the years of times such as `2015-07-24T10:42:05Z`."""
    for row, timestamp in enumerate(timestamps):
        if len(timestamp) < 5 or not timestamp[:4].isdecimal() or timestamp[4] != "-":
            raise DataError(
                f"{where}, row {row}: the time {timestamp!r} does not begin with a year, as in '2015-07-24'"
            )
    return np.array(integers([timestamp[:4] for timestamp in timestamps], where), np.int64)
