"""The image tower of an open_clip model, in torch. Imports open_clip, which takes seconds: see `_open_clip_models`."""

from pathlib import Path

import open_clip
from torch import Tensor, nn
from torch.nn import functional

from labelbench_ray.encoders._open_clip_models import Preprocessing
from labelbench_ray.encoders._torch import FromPixels
from labelbench_ray.errors import DataError


class ImageTower(nn.Module):
    """Normalized images to the embedding that `encode_image` gives."""

    def __init__(self, tower: nn.Module, normalize: bool) -> None:
        super().__init__()
        self.tower = tower
        self.normalize = normalize

    def forward(self, images_BCHW: Tensor) -> Tensor:
        given = self.tower(images_BCHW)
        # CoCa's tower gives the pooled embedding and the tokens for its captions.
        features_BD: Tensor = given[0] if isinstance(given, tuple) else given
        return functional.normalize(features_BD, dim=-1) if self.normalize else features_BD


def image_tower(model: str, weights: Path, to: Preprocessing, *, quick_gelu: bool, normalize: bool) -> FromPixels:
    """The tower with its weights; the text tower is dropped.

    `model` is a name, or the path of a configuration file. The weights are read as tensors only, never unpickled.

    Raises:
        DataError: the file does not hold weights of this model.
    """
    if model.endswith(".json"):
        open_clip.add_model_config(model)
        model = Path(model).stem
    try:
        whole = open_clip.create_model(model, pretrained=str(weights), force_quick_gelu=quick_gelu, weights_only=True)
    except Exception as error:
        # Damaged or foreign files end in errors of zipfile, pickle, safetensors, torch and open_clip alike.
        raise DataError(
            f"{weights}: not the weights of the open_clip model {model!r} ({error}); give the file that belongs to it"
        ) from error
    tower = ImageTower(whole.visual.requires_grad_(False), normalize)
    return FromPixels(tower, [255 * mean for mean in to.mean], [255 * deviation for deviation in to.deviation]).eval()
