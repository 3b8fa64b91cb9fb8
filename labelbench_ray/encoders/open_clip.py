"""The image tower of any open_clip model, CLIP or CoCa."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, JsonValue, model_validator

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.encoders import Decoded, Device, Network, Trainable
from labelbench_ray.encoders._batches import file_hash
from labelbench_ray.encoders._jpeg_decoding import JpegDecoding
from labelbench_ray.encoders._resize import resized
from labelbench_ray.encoders.networks import open_clip_models as models
from labelbench_ray.encoders.networks.torch_settings import TorchSettings
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.types import Floats

if TYPE_CHECKING:
    from labelbench_ray.encoders.networks.from_pixels import FromPixels


class OpenClip(JpegDecoding, TorchSettings, Trainable):
    """The embedding of `encode_image`, in float16 on a GPU and float32 on a CPU."""

    version: ClassVar[int] = 2  # 1 ignored orientation tags
    packages: ClassVar[tuple[str, ...]] = ("open_clip",)
    payload: ClassVar[Modality] = Modality.IMAGE
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {
        **JpegDecoding.neutral_settings,
        **TorchSettings.neutral_settings,
    }
    model: str = Field(min_length=1)
    """A name that open_clip lists, or the path of a configuration file (.json)."""
    pretrained: str = Field(min_length=1)
    """A tag of the model, the path of a weights file, or `random`: untrained weights from a fixed seed."""
    normalize: bool = False
    """Scale each embedding to length 1."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        models.model_config(self.model)
        return self

    def weights(self) -> str:
        if self.pretrained == models.RANDOM:
            return f"random, seed {models.SEED}"
        return file_hash(models.weights_file(self.model, self.pretrained))

    def dimensions(self) -> int:
        return int(models.model_config(self.model)["embed_dim"])

    def shape(self) -> tuple[int, int, int]:
        to = models.preprocessing(self.model, self.pretrained)
        return to.height, to.width, 3

    def provide(self) -> None:
        if self.pretrained == models.RANDOM:
            return
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
            f"{self.describe_decoding()}RGB, {to.interpolation} to {to.height} x {to.width} ({to.resize_mode} side), "
            f"mean {to.mean}, deviation {to.deviation}, normalized {self.normalize}"
        )

    def decode(self, payload: Payload) -> Decoded:
        to = models.preprocessing(self.model, self.pretrained)
        return resized(open_rgb(payload, self.least_side(max(to.height, to.width))), to)

    def network(self) -> "FromPixels":
        # Imported here: open_clip takes 6 to 9 seconds to import, and a plan does not need it.
        from labelbench_ray.encoders.networks.open_clip_network import image_tower

        return image_tower(self._source(), models.preprocessing(self.model, self.pretrained), self.normalize)

    def runtime(self, network: "FromPixels", device: Device) -> Network:
        from labelbench_ray.encoders.networks.image_network import TorchNetwork

        return TorchNetwork(network, device, self)

    def knows_text(self) -> bool:
        """Whether its text tower was trained with its images."""
        return self.pretrained != models.RANDOM

    def zero_shot_weights(self, names: Sequence[str], prompts: Sequence[Callable[[str], str]]) -> Floats:
        """(D, K) float32 weights of the zero-shot classifier, for features of length 1.

        Args:
            names: of the K classes.
            prompts: each makes a text of a class name; a class's text embeddings of length 1 are averaged.
        """
        from labelbench_ray.encoders.networks.open_clip_text import zero_shot_weights

        return zero_shot_weights(self._source(), names, prompts)

    def _source(self) -> models.Source:
        if self.pretrained == models.RANDOM:
            return models.Source(self.model)
        self.provide()
        # Some weights were trained with another activation than their architecture's file states.
        quick = not models.is_file(self.pretrained) and models.tag_config(self.model, self.pretrained).get("quick_gelu")
        return models.Source(self.model, models.weights_file(self.model, self.pretrained), bool(quick))
