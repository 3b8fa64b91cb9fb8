"""The image tower of any open_clip model, CLIP or CoCa."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from labelbench_ray.datasets import Payload
from labelbench_ray.encoders import Decoded, Device, Encoder, Network
from labelbench_ray.encoders import _open_clip_models as models
from labelbench_ray.encoders._batches import file_hash
from labelbench_ray.encoders._images import open_rgb
from labelbench_ray.encoders._resize import resized
from labelbench_ray.errors import NotProvidedError


class OpenClip(Encoder):
    """What `encode_image` gives, in float16 on a GPU and float32 on a CPU."""

    payload: ClassVar[Literal["image", "text"]] = "image"
    model: str = Field(min_length=1)
    """A name that open_clip lists, or the path of a configuration file (.json)."""
    pretrained: str = Field(min_length=1)
    """A tag of the model, or the path of a weights file."""
    normalize: bool = False
    """Scale each embedding to length 1."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        models.model_config(self.model)
        return self

    def weights(self) -> str:
        return file_hash(models.weights_file(self.model, self.pretrained))

    def dimensions(self) -> int:
        return int(models.model_config(self.model)["embed_dim"])

    def provide(self) -> None:
        try:
            models.weights_file(self.model, self.pretrained)
        except NotProvidedError as missing:
            if models.is_file(self.pretrained):
                raise
            from open_clip.pretrained import download_pretrained  # seconds: only where a download is wanted

            try:
                download_pretrained(models.tag_config(self.model, self.pretrained))
            except Exception as error:  # the hub's client and urllib fail in many ways; all mean that it is not here
                raise missing from error

    def preprocessing(self) -> str:
        to = models.preprocessing(self.model, self.pretrained)
        return (
            f"RGB, {to.interpolation} to {to.height} x {to.width} ({to.resize_mode} side), "
            f"mean {to.mean}, deviation {to.deviation}, normalized {self.normalize}"
        )

    def decode(self, payload: Payload) -> Decoded:
        return resized(open_rgb(payload), models.preprocessing(self.model, self.pretrained))

    def load(self, device: Device) -> Network:
        # Imported here: open_clip takes 6 to 9 seconds to import, and planning does without.
        from labelbench_ray.encoders._open_clip_network import image_tower
        from labelbench_ray.encoders._torch import TorchNetwork

        self.provide()
        # Some weights were trained with another activation than their architecture's file says.
        quick = not models.is_file(self.pretrained) and models.tag_config(self.model, self.pretrained).get("quick_gelu")
        tower = image_tower(
            self.model,
            models.weights_file(self.model, self.pretrained),
            models.preprocessing(self.model, self.pretrained),
            quick_gelu=bool(quick),
            normalize=self.normalize,
        )
        return TorchNetwork(tower, device)
