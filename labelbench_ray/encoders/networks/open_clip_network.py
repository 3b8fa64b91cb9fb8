"""The image tower of an open_clip model, in torch. Imports open_clip, which takes seconds: see `open_clip_models`."""

from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.encoders.networks.open_clip_models import SEED, Preprocessing, Source
from labelbench_ray.errors import DataError

LONGEST_REASON = 300


class ImageTower(nn.Module):
    """Normalized images to the embedding of `encode_image`."""

    def __init__(self, tower: nn.Module, normalize: bool) -> None:
        super().__init__()
        self.tower = tower
        self.normalize = normalize

    def forward(self, images_BCHW: Tensor) -> Tensor:
        given = self.tower(images_BCHW)
        # CoCa's tower returns the pooled embedding and the tokens for its captions.
        features_BD: Tensor = given[0] if isinstance(given, tuple) else given
        return functional.normalize(features_BD, dim=-1) if self.normalize else features_BD


def image_tower(source: Source, to: Preprocessing, normalize: bool) -> FromPixels:
    """The tower with its weights; the text tower is dropped.

    Raises:
        DataError: the file does not hold weights of this model.
    """
    tower = ImageTower(whole(source).get_submodule("visual"), normalize)
    return FromPixels(tower, [255 * mean for mean in to.mean], [255 * deviation for deviation in to.deviation]).eval()


def whole(source: Source) -> nn.Module:
    """The model with both towers, to run; weights are read as tensors, never unpickled. Raises as `image_tower`."""
    name = registered(source.model)
    given = {} if source.weights is None else {"pretrained": str(source.weights), "weights_only": True}
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            made: nn.Module = open_clip.create_model(name, force_quick_gelu=source.quick_gelu, **given)
    except Exception as error:
        # Damaged or foreign files end in errors of zipfile, pickle, safetensors, torch and open_clip alike.
        raise DataError(
            f"{source.weights}: not the weights of the open_clip model {name!r} ({_reason(error)}); give the file that "
            "belongs to it"
        ) from error
    return made.eval()


def _reason(error: Exception) -> str:
    """An error's text in one short line; torch's own text for a foreign file advises to execute its content."""
    reason = "it holds no tensors" if type(error).__name__ == "UnpicklingError" else " ".join(str(error).split())
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]} ..."


def registered(model: str) -> str:
    """The model's name in open_clip; a configuration file is registered there."""
    if not model.endswith(".json"):
        return model
    open_clip.add_model_config(model)
    return Path(model).stem
