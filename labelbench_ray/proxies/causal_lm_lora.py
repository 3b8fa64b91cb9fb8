"""The encoder's language model with low-rank adapters, fine-tuned on the responses that were bought."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, NonNegativeInt, PositiveInt

from labelbench_ray.encoders.causal_lm import CausalLm
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy, Tunable

if TYPE_CHECKING:
    from labelbench_ray.encoders import Encoder


class CausalLmLora(Tunable):
    """Adapters of `rank` in the encoder's own language model, for `labelbench finetune`; nothing else is trained.

    Learns the tokens of a response and the token that ends it; the prompt's tokens are context.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers", "peft", "trl")
    tasks: ClassVar[tuple[str, ...]] = ("response",)
    rank: PositiveInt = 8
    alpha: PositiveInt | None = None
    """An adapter's output is scaled by alpha / rank; None: alpha is twice the rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    modules: tuple[str, ...] = Field(default=("q_proj", "v_proj"), min_length=1)
    """The linear layers of a block that are adapted, by the ends of their names."""
    blocks: PositiveInt | None = None
    """How many of the last blocks are adapted; None: all. Few of them are faster to train."""
    answer_tokens: NonNegativeInt = 64
    """The longest answer that is generated for each held-out prompt to be verified; 0: none is generated."""

    def check(self, encoder: "Encoder", classes: tuple[str, ...] | None, proxy: Proxy | None) -> None:
        if not isinstance(encoder, CausalLm):
            raise ConfigError(
                f"finetune: {type(self).__name__} trains the encoder's own language model, and the encoder is "
                f"{type(encoder).__name__}; use the encoder 'causal_lm'"
            )
