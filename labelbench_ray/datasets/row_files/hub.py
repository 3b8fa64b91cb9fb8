"""Data sets of the Hugging Face Hub: `hf://owner/name` is one revision of it, downloaded once into the Hub's cache."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labelbench_ray.datasets.files.places import Place, locate
from labelbench_ray.datasets.row_files.readme import README, data_files
from labelbench_ray.errors import ConfigError, NotProvidedError, install_hint

PREFIX: Final = "hf://"
ADDRESS: Final = re.compile(
    r"hf://(?:datasets/)?(?P<repository>[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>refs/(?:convert|pr)/[^/@]+|[^/@]+))?(?:/(?P<config>[^@]+?))?/?"
)
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
NAMING: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
"""Files of rows that may name others by their paths, which are downloaded too."""


@dataclass(frozen=True, slots=True)
class Top:
    """Where the files of a data set lie."""

    place: Place
    address: str
    """The same with the revision pinned."""
    config: str | None = None
    facts: tuple[str, ...] = ()
    """What identifies its content besides the files."""
    notes: tuple[str, ...] = ()


def open_top(root: Path, path: str, config: str | None = None) -> Top:
    """The file or folder that a `path` setting means: below `root`, a URI, or `hf://owner/name[@revision][/config]`.

    Raises:
        ConfigError: an address of the Hub in another form.
        NotProvidedError: a data set of the Hub that is neither in its cache nor can be downloaded.
    """
    if not path.startswith(PREFIX):
        return Top(locate(root, path), path, config)
    if (parts := ADDRESS.fullmatch(path)) is None:
        raise ConfigError(f"{path!r}: not a data set of the Hub; give hf://owner/name or hf://owner/name@revision")
    repository, revision = parts["repository"], parts["revision"] or "main"
    config = config or parts["config"]
    folder = _downloaded(repository, revision, [README, ".gitattributes"])  # almost every one has the second
    commit = folder.name
    place = locate(root, str(folder))
    place = locate(root, str(_downloaded(repository, commit, _patterns(place, config))))
    return Top(
        place,
        f"{PREFIX}{repository}@{commit}{f'/{config}' if config else ''}",
        config,
        (repository, commit),
        (f"the Hub's data set {repository}, revision {commit}{'' if revision == commit else f' ({revision})'}",),
    )


def config_of(path: str) -> str | None:
    """The configuration that an address of the Hub names."""
    parts = ADDRESS.fullmatch(path)
    return parts["config"] if parts else None


def _patterns(place: Place, config: str | None) -> list[str] | None:
    """The files that are needed of a data set whose README is here; None: all."""
    stated = data_files(place, config)
    needed = [pattern for patterns in stated.values() for pattern in patterns]
    if needed and not any(pattern.endswith(NAMING) for pattern in needed):
        return [README, *needed, *(f"{pattern.rstrip('/')}/*" for pattern in needed)]
    return None if stated or config is None else [README, f"{config}/*"]


def _downloaded(repository: str, revision: str, patterns: list[str] | None) -> Path:
    """The folder of a revision in the Hub's cache; what is there is not downloaded again."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
    except ImportError as error:
        raise NotProvidedError(
            f"{PREFIX}{repository}: huggingface_hub is not installed; {install_hint('huggingface_hub')}"
        ) from error

    def download(*, local: bool) -> Path:
        return Path(
            snapshot_download(
                repository,
                repo_type="dataset",
                revision=revision,
                allow_patterns=patterns,
                local_files_only=local,
                endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )

    where = f"{PREFIX}{repository}@{revision}"
    try:
        if COMMIT.fullmatch(revision):  # it cannot have changed, so that the Hub need not be asked
            try:
                return download(local=True)
            except (OSError, ValueError):
                pass
        return download(local=False)
    except GatedRepoError as error:
        raise NotProvidedError(f"{where}: accept its terms on its page, then run `hf auth login`") from error
    except RepositoryNotFoundError as error:
        raise NotProvidedError(
            f"{where}: the Hub has no such data set, or it is private; check the name, or run `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise NotProvidedError(f"{where}: the data set has no such revision; check it, or leave it out") from error
    except (OSError, ValueError) as error:  # the client's other errors refine these: offline, no cache, a timeout
        raise NotProvidedError(
            f"{where} is not complete in the Hub's cache, and the Hub cannot be reached ({_first_line(error)}); where "
            f"the network allows it, run `hf download --repo-type dataset {repository} --revision {revision}`"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
