"""open_clip's models, looked up without importing open_clip where possible.

Importing open_clip takes 6 to 9 seconds, so configurations are read from the JSON files in its package. Only the table
of pretrained tags needs the import.
"""

import json
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labelbench_ray.errors import ConfigError, DataError, NotProvidedError, unknown

SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".npz", ".npy")
# open_clip's defaults, which hold for weights in a local file: the statistics of OpenAI's training images.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
RANDOM, SEED = "random", 0
"""The name of untrained weights, and the seed that they are drawn from."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model (a name, or the path of a configuration file) and its weights; None means random ones."""

    model: str
    weights: Path | None = None
    quick_gelu: bool = False


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a model's images are made: `resize_mode` is shortest (then cropped), longest (then padded) or squash."""

    height: int
    width: int
    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    fill: int = 0


@cache
def model_config(model: str) -> dict[str, Any]:
    """A model's configuration: `embed_dim`, `vision_cfg` and more. `model` is a name, or the path of a JSON file.

    Raises:
        ConfigError: open_clip has no such model; names the nearest.
        DataError: the file is not a configuration.
    """
    shipped = _shipped()
    path = Path(model) if model.endswith(".json") else shipped.get(model)
    if path is not None and path.is_file():
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= config.keys():
            raise DataError(f"{path}: no open_clip model; it needs embed_dim, vision_cfg and text_cfg")
        return config
    # A configuration that this process has added to open_clip counts too; that has then been imported already.
    added = sys.modules["open_clip"].get_model_config(model) if "open_clip" in sys.modules else None
    if added is None:
        raise ConfigError(unknown("open_clip model", model, shipped))
    return dict(added)


def is_file(pretrained: str) -> bool:
    """Whether `pretrained` means a weights file, there or not, rather than a tag."""
    return Path(pretrained).is_file() or "/" in pretrained or pretrained.endswith(SUFFIXES)


@cache
def tag_config(model: str, tag: str) -> dict[str, Any]:
    """open_clip's entry for a pretrained tag: where its weights lie and how its images are preprocessed.

    Raises:
        ConfigError: the model has no such tag; names the nearest.
    """
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    config: dict[str, Any] = get_pretrained_cfg(model, tag)
    if not config:
        raise ConfigError(
            f"{unknown(f'pretrained tag of {model}', tag, list_pretrained_tags_by_model(model))}; "
            "a weights file is given by its path"
        )
    return config


@cache
def preprocessing(model: str, pretrained: str) -> Preprocessing:
    """How the images of a model with these weights are made."""
    size = model_config(model)["vision_cfg"].get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    given = {} if pretrained == RANDOM or is_file(pretrained) else tag_config(model, pretrained)
    names = {
        "mean": "mean",
        "std": "deviation",
        "interpolation": "interpolation",
        "resize_mode": "resize_mode",
        "fill_color": "fill",
    }
    found = {ours: given[theirs] for theirs, ours in names.items() if given.get(theirs) is not None}
    return Preprocessing(height, width, **found)


def weights_file(model: str, pretrained: str) -> Path:
    """The weights on this machine: a file as given, a tag in the caches that open_clip downloads to.

    Raises:
        ConfigError: no such tag.
        NotProvidedError: the weights are not here; the text states how to get them.
    """
    if is_file(pretrained):
        if Path(pretrained).is_file():
            return Path(pretrained)
        raise NotProvidedError(
            f"pretrained: there is no file {pretrained}; put the weights of {model} there, or give another path"
        )
    for path in _cached(tag_config(model, pretrained)):
        if path.is_file():
            return path
    raise NotProvidedError(
        f"the weights {pretrained!r} of {model} are not on this machine; where the network allows it, run "
        f"`python -c \"import open_clip; open_clip.create_model('{model}', '{pretrained}')\"`, else "
        "copy the weights file here and give its path as `pretrained`"
    )


def _cached(tag: dict[str, Any]) -> list[Path]:
    """Where open_clip would find a tag's weights without a download."""
    from huggingface_hub import try_to_load_from_cache

    found = []
    repository, _, name = tag.get("hf_hub", "").rpartition("/")
    for file in (name,) if name else ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"):
        for version in dict.fromkeys((Path(file).with_suffix(".safetensors").name, file)):
            path = try_to_load_from_cache(repository, version) if repository else None
            found.append(path if isinstance(path, str) else "")
    if tag.get("url"):
        found.append(str(Path("~/.cache/clip").expanduser() / tag["url"].rsplit("/", 1)[-1]))
    return [Path(path) for path in found if path]


def _shipped() -> dict[str, Path]:
    """The configuration file of every model in open_clip's package."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ConfigError("the encoder 'open_clip' needs the package open_clip_torch: pip install open_clip_torch")
    return {path.stem: path for path in (Path(spec.origin).parent / "model_configs").glob("*.json")}
