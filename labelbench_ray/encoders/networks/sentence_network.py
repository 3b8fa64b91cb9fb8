"""A loaded sentence-transformers model. Imports torch at the top: see `image_network`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers.utils.logging import disable_progress_bar

from labelbench_ray.encoders import Decoded, Device
from labelbench_ray.encoders.networks.image_network import NEUTRAL, describe_compute, dtype_on, one_thread
from labelbench_ray.encoders.networks.torch_settings import TorchSettings

BATCH = 32
CHARACTERS_A_TOKEN = 64
"""Texts of at most this many characters for each token that is read are tokenized completely."""
SPACES = " \n\t"


class SentenceNetwork:
    """float16 on a GPU, float32 on one thread of a CPU, unless set."""

    def __init__(self, folder: Path, device: Device, settings: TorchSettings = NEUTRAL) -> None:
        self._dtype = dtype_on(device, settings)
        self._device = device
        self._settings = settings
        self._batch = settings.batch_size or BATCH
        disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for each actor would hide the progress of the job
        self._model = SentenceTransformer(str(folder), device=device, local_files_only=True).to(self._dtype).eval()
        if settings.torch_compile:
            # Its `encode` calls `forward` of the sequence, so the first module is compiled: the transformer.
            self._model[0].compile(dynamic=True)

    @property
    def compute(self) -> str:
        return describe_compute(self._dtype, self._device, self._settings)

    @property
    def most_tokens(self) -> int | None:
        return self._model.max_seq_length

    def num_cut(self, decoded: Sequence[Decoded]) -> int:
        """How many of these texts are longer than `most_tokens`."""
        most = self.most_tokens
        texts = [str(text) for text in decoded]
        return sum(self._num_tokens(self._beginning(text)) > most for text in texts) if most else 0

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        """(B, D) embeddings.

        Texts are sorted by length, longest first and ties by position, and cut into batches, so the same call
        gives the same bits; a row's embedding depends on the other rows of the call by rounding only.
        """
        texts = [text for text in decoded if isinstance(text, str)]
        assert len(texts) == len(decoded), "a sentence encoder was given images that its own `decode` did not make"
        order_B = np.argsort([-len(text) for text in texts], kind="stable")
        with one_thread():
            parts = [
                self._encode([texts[row] for row in order_B[start : start + self._batch]])
                for start in range(0, len(texts), self._batch)
            ]
        embeddings_BD = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
        embeddings_BD[order_B] = np.concatenate(parts)
        return embeddings_BD

    def _num_tokens(self, text: str) -> int:
        """With the model's own marks and prompt, cut nowhere."""
        prompt = self._model.prompts.get(self._model.default_prompt_name or "") or ""
        return len(self._model.tokenizer(prompt + text, truncation=False, verbose=False)["input_ids"])

    def _beginning(self, text: str) -> str:
        """As much of a very long text as has more tokens than are read: a megabyte of them would take seconds.

        It ends before a space, where tokenizers end a token, so that the tokens which are read stay the same.
        """
        size = CHARACTERS_A_TOKEN * (self.most_tokens or len(text))
        while size < len(text):
            beginning = text[: max(text.rfind(space, 0, size) for space in SPACES) + 1]
            if beginning and self._num_tokens(beginning) > (self.most_tokens or 0):
                return beginning
            size *= 4
        return text

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        texts = [self._beginning(text) for text in texts]
        encoded = self._model.encode(texts, batch_size=self._batch, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(encoded, dtype=np.float32)
