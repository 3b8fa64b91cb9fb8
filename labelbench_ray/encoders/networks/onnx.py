"""Image networks in ONNX Runtime: the CPU path, exported from the torch network in memory.

The export is made anew by each actor. It takes half a second, less than the import of torch before it, and gives the
same bytes every time, so a cache on disk would save little and could go stale.
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from labelbench_ray.encoders import Decoded
from labelbench_ray.encoders._batches import embed_images
from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.encoders.networks.image_network import one_thread

BATCH = 8
"""Measured at 96 px on one core: 4 to 8 images are fastest, since their activations stay in the cache."""


def export(network: FromPixels, size: int) -> bytes:
    """An ONNX model of the network for images of one size and any batch."""
    buffer = io.BytesIO()
    pixels_BHWC = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with one_thread(), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes about itself
        # dynamo=False: that exporter takes 0.5 s and the package onnx; the newer one takes 10 s and onnxscript too, and
        # ONNX Runtime optimizes both results to the same graph.
        torch.onnx.export(
            network.eval(),
            (pixels_BHWC,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=["pixels"],
            output_names=["features"],
            dynamic_axes={"pixels": {0: "batch"}, "features": {0: "batch"}},
        )
    return buffer.getvalue()


class OnnxNetwork:
    """One single-threaded session: one to a core beats one session with several threads."""

    compute = "onnxruntime float32 cpu"

    def __init__(self, model: bytes, batch: int = BATCH) -> None:
        self._batch = batch
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return embed_images(decoded, self._batch, self._forward)

    def _forward(self, pixels_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        features_BD: NDArray[np.float32] = self._session.run(None, {"pixels": pixels_BHWC})[0]
        return features_BD
