"""`export`: what experiments recorded, as files for spreadsheets, papers and programs.

<out>/<experiment>.<table>.csv      rounds, trials, savings, comparisons and labels, also as .parquet
     /<experiment>.json             the report and its tables for programs
     /<experiment>.tex              the table that a paper prints
     /<experiment>.svg, .pdf        its figure
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, Final, Literal, get_args

from labelbench_ray.api.results import Results, results
from labelbench_ray.errors import ConfigError, unknown
from labelbench_ray.exports.document import document
from labelbench_ray.exports.formats import csv_bytes, json_bytes, parquet_bytes
from labelbench_ray.exports.latex import latex
from labelbench_ray.report.curves import Experiment
from labelbench_ray.report.sections import compose
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.folders import folder_place, make_folder
from labelbench_ray.storage.remote import place

Format = Literal["csv", "parquet", "json", "latex", "svg", "pdf"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
TABLES: Final = ("rounds", "trials", "savings", "comparisons", "labels")


def export(
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    formats: Iterable[Format],
    baseline: str | None = None,
    store: str | Path = "store",
) -> list[Path]:
    """Write files of each experiment into one folder; returns them. A file of the same name is replaced.

    Args:
        paths: as of `results`.
        out: the folder, by path or URI; made if it is not there.
        formats: of `FORMATS`.
        baseline: the strategy that others are compared with; None: random.
        store: where the embeddings lie, for row ids and class names of bought labels.

    Raises:
        ConfigError: an unknown format or baseline, no experiment, two of the same name, or a file in place of `out`.
    """
    wanted = list(dict.fromkeys(formats))
    for each in wanted:
        if each not in FORMATS:
            raise ConfigError(unknown("format", each, FORMATS))
    found, folder = results(paths, baseline), folder_place(str(out))
    _check_names(found.experiments, folder)
    make_folder(folder)
    written = []
    for experiment in found.experiments:
        for name, data in _files(experiment, wanted, place(str(store))):
            publish(folder / name, data)
            written.append(folder / name)
    return written


def _files(experiment: Experiment, formats: Iterable[Format], store: Path) -> Iterator[tuple[str, bytes]]:
    """The name and content of each file, made one after the other."""
    report = compose(experiment)
    tables = _tables(Results((experiment,)), store) if {"csv", "parquet"} & {*formats} else {}
    for each in formats:
        if each == "csv":
            yield from ((f"{experiment.name}.{name}.csv", csv_bytes(table)) for name, table in tables.items())
        elif each == "parquet":
            yield from ((f"{experiment.name}.{name}.parquet", parquet_bytes(table)) for name, table in tables.items())
        elif each == "json":
            yield f"{experiment.name}.json", json_bytes(document(report))
        elif each == "latex":
            yield f"{experiment.name}.tex", latex(report).encode(errors="replace")
        else:
            from labelbench_ray.exports.figure import figure  # matplotlib takes a second to import

            yield f"{experiment.name}.{each}", figure(report, each)


def _tables(found: Results, store: Path) -> Mapping[str, Any]:
    return {name: found.labels(store) if name == "labels" else getattr(found, name)() for name in TABLES}


def _check_names(experiments: Iterable[Experiment], folder: Path) -> None:
    names = Counter(each.name for each in experiments)
    for each in experiments:
        if PurePath(each.name).name != each.name:
            raise ConfigError(
                f"{each.folder}: its experiment is called {each.name!r}, which cannot name files; rename it"
            )
        if names[each.name] > 1:
            where = ", ".join(str(other.folder) for other in experiments if other.name == each.name)
            raise ConfigError(
                f"{each.name}: {names[each.name]} experiments have this name ({where}), and their files in {folder} "
                "would overwrite each other; export them one by one, each with another --out"
            )
