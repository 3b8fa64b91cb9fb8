"""A loaded sentence-transformers model. Imports torch at its top: see `_torch`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers.utils.logging import disable_progress_bar

from labelbench_ray.encoders import Decoded, Device
from labelbench_ray.encoders._torch import one_thread

BATCH = 32


class SentenceNetwork:
    """float16 on a GPU, float32 on one thread of a CPU."""

    def __init__(self, folder: Path, device: Device) -> None:
        self._dtype = torch.float16 if device == "cuda" else torch.float32
        self._device = device
        disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for each actor would hide the progress of the job
        self._model = SentenceTransformer(str(folder), device=device, local_files_only=True).to(self._dtype).eval()

    @property
    def compute(self) -> str:
        return f"torch {str(self._dtype).removeprefix('torch.')} {self._device}"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        """(B, D) embeddings.

        Texts are sorted by length, longest first and ties by position, and cut into batches of 32, so the same call
        gives the same bits; a row's embedding depends on the other rows of the call by rounding only.
        """
        texts = [text for text in decoded if isinstance(text, str)]
        assert len(texts) == len(decoded), "a sentence encoder was given images that its own `decode` did not make"
        order_B = np.argsort([-len(text) for text in texts], kind="stable")
        with one_thread():
            parts = [
                self._encode([texts[row] for row in order_B[start : start + BATCH]])
                for start in range(0, len(texts), BATCH)
            ]
        embeddings_BD = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
        embeddings_BD[order_B] = np.concatenate(parts)
        return embeddings_BD

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        encoded = self._model.encode(texts, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(encoded, dtype=np.float32)
