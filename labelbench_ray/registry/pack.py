"""`pack`: the finished trials of experiments as the three files of a registry; the same runs give the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.config import digest
from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.embeddings.manifests import Manifest
from labelbench_ray.errors import ConfigError, RegistryError
from labelbench_ray.exports.labels import stores_by_content
from labelbench_ray.ledger.data_notes import DataNotes, read_notes
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.origin import Origin
from labelbench_ray.ledger.records import Grid
from labelbench_ray.ledger.shared import entry_directory
from labelbench_ray.ledger.trials import read_header
from labelbench_ray.registry.archive import Files, archive_bytes
from labelbench_ray.registry.rows import rounds_table, trials_table
from labelbench_ray.registry.schema import LEDGERS_FILE, ROUNDS_FILE, TRIALS_FILE
from labelbench_ray.registry.tables import table_bytes
from labelbench_ray.registry.trials import (
    HEADER,
    SUBMISSION,
    RegistryTrial,
    Submission,
    round_file,
    sees_labels,
    trial_of,
)
from labelbench_ray.registry.valid import check_rounds, check_trials
from labelbench_ray.storage.atomic import publish


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed, and where."""

    paths: tuple[Path, ...]
    trials: tuple[RegistryTrial, ...]
    unfinished: int
    """Trials that were left out: a registry holds finished ones."""
    upper_bounds: int = 0
    """Trials that were left out: their strategies see labels, so a registry does not rank them."""


def pack(folders: Iterable[Path], out: Path, store: Path, submitter: str, prices: Prices = ASSUMED) -> Packed:
    """Write `out`.trials.parquet, .rounds.parquet and .ledgers.zip of every finished trial of these experiments.

    Raises:
        ConfigError: no trial is finished.
        LedgerError: a ledger is damaged.
        RegistryError: a trial states what must not be published, or lies in two folders.
    """
    manifests = {content: each.store.manifest for content, each in stores_by_content(store).items()}
    finished, unfinished = _places([(folder, read_grid(folder)) for folder in folders])
    places = {name: each for name, each in finished.items() if not sees_labels(read_header(each.directory / HEADER))}
    if finished and not places:
        raise ConfigError(f"all {len(finished)} finished trials are upper bounds that see labels; pack others, too")
    if not places:
        raise ConfigError(f"0 of {unfinished} trials are finished; a registry holds finished ones, run them to the end")
    files = {fingerprint: _files(place, manifests, submitter, prices) for fingerprint, place in sorted(places.items())}
    trials = tuple(trial_of(places[name].directory.parent, name, mine) for name, mine in files.items())
    trials_rows, rounds_rows = trials_table(trials), rounds_table(trials)
    paths = tuple(out.with_name(out.name + suffix) for suffix in (TRIALS_FILE, ROUNDS_FILE, LEDGERS_FILE))
    check_trials(paths[0], trials_rows)
    check_rounds(paths[1], rounds_rows, paths[0], trials_rows)
    contents = (table_bytes(trials_rows), table_bytes(rounds_rows), archive_bytes(files))
    for path, data in zip(paths, contents, strict=True):
        publish(path, data)
    return Packed(paths, trials, unfinished, len(finished) - len(places))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a finished trial lies, and what its experiment notes."""

    directory: Path
    origin: Origin
    notes: DataNotes


def _places(grids: Iterable[tuple[Path, Grid]]) -> tuple[dict[str, _Place], int]:
    """The place of each finished trial, and how many are not finished."""
    found: dict[str, _Place] = {}
    unfinished = set()
    for folder, grid in grids:
        origin, notes = grid.origin or Origin(), read_notes(folder)
        for entry in grid.entries:
            directory = entry_directory(folder, entry)
            if not _is_finished(directory):
                unfinished.add(directory)
                continue
            before = found.setdefault(entry.fingerprint, _Place(directory, origin, notes)).directory
            if before != directory:
                raise RegistryError(
                    f"trial {entry.fingerprint} lies in {before} and in {directory}; a registry holds it once, pack "
                    "one of the two experiments"
                )
    return found, len(unfinished)


def _is_finished(directory: Path) -> bool:
    """Whether every round that the ledger asks for is recorded."""
    if not (directory / HEADER).is_file():
        return False
    rounds = read_header(directory / HEADER).trial.rounds
    return all((directory / round_file(number)).is_file() for number in range(rounds))


def _files(place: _Place, manifests: Mapping[str, Manifest], submitter: str, prices: Prices) -> Files:
    directory = place.directory
    header = read_header(directory / HEADER)
    manifest = manifests.get(header.store)
    submission = Submission(
        submitter=submitter,
        commit=place.origin.commit,
        machine=place.origin.machine,
        data_hash=_data_hash(manifest) if manifest else header.store,
        encoder_hash=_encoder_hash(manifest) if manifest else header.store,
        imbalance=_imbalance(place.notes.of(header.store).class_counts),
        prices=prices,
    )
    rounds = (round_file(number) for number in range(header.trial.rounds))
    return {name: (directory / name).read_bytes() for name in (HEADER, *rounds)} | {
        SUBMISSION: submission.model_dump_json(indent=1).encode()
    }


def _imbalance(counts_K: Sequence[int]) -> float | None:
    return max(counts_K) / max(1, min(counts_K)) if counts_K else None


def _data_hash(manifest: Manifest) -> str:
    return digest([manifest.dataset, manifest.signature, list(manifest.classes)])


def _encoder_hash(manifest: Manifest) -> str:
    return digest([manifest.encoder, manifest.weights, manifest.preprocessing])
