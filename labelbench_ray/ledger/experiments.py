"""Which trials belong to an experiment: `experiment.json` in its folder, and the folders of experiments below runs."""

from collections.abc import Mapping
from pathlib import Path

from labelbench_ray.errors import ConfigError, LedgerError, OtherVersionError
from labelbench_ray.ledger.origin import Origin
from labelbench_ray.ledger.records import Grid
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.checksummed import read_value

FILE = "experiment.json"


def write_grid(folder: Path, grid: Grid) -> None:
    """Record which trials belong to the experiment now; trials of earlier grids stay on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    publish(folder / FILE, grid.model_dump_json(indent=1).encode())


def read_grid(folder: Path) -> Grid:
    """Read and check `experiment.json`."""
    return read_value(Grid, folder / FILE, "`labelbench run` writes it anew")


def noted_origin(folder: Path) -> Origin | None:
    """Of the run that made what is in an experiment's folder; None where that is not known."""
    try:
        return read_grid(folder).origin
    except (LedgerError, OtherVersionError):
        return None


def noted_tags(folder: Path) -> dict[str, str]:
    """The tags of an experiment's folder; none where they are not known."""
    try:
        return read_grid(folder).tags
    except (LedgerError, OtherVersionError):
        return {}


def tags_text(tags: Mapping[str, str]) -> str:
    """`team=vision, ticket=12`; "" for none."""
    return ", ".join(f"{key}={value}" for key, value in tags.items())


def experiment_folders(folder: Path) -> list[Path]:
    """The folder itself if it is an experiment's, else those one level below.

    Raises:
        ConfigError: there is none.
    """
    if (folder / FILE).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{FILE}"))
    if not found:
        raise ConfigError(f"{folder} holds no experiment: no {FILE} in it or one level below")
    return found
