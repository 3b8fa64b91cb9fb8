"""Supervised fine-tuning of a language model on prompts and their responses, by trl."""

from typing import ClassVar, NoReturn

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy
from labelbench_ray.proxies.causal_lm_lora import CausalLmLora
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer


class Sft(Trainer):
    """Cross-entropy of the responses' tokens, AdamW, warm-up and cosine; resumes at the last complete epoch."""

    source: ClassVar[str] = "trl's `SFTTrainer`"
    packages: ClassVar[tuple[str, ...]] = ("transformers", "peft", "trl")
    tasks: ClassVar[tuple[str, ...]] = ("response",)
    uses_validation: ClassVar[bool] = False
    epochs: PositiveInt = 2
    batch_size: PositiveInt = 8
    """Of a device at a time; see `accumulation`."""
    accumulation: PositiveInt = 1
    """Batches whose gradients are added up before each step."""
    learning_rate: PositiveFloat = 2e-4
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """The share of all steps in which the learning rate rises."""
    weight_decay: NonNegativeFloat = 0.0
    gradient_clip: PositiveFloat = 1.0
    """The largest norm of the gradient."""
    max_length: PositiveInt = 1024
    """Tokens of a prompt with its response that are read; what is longer is cut at its end."""

    def check(self, proxy: Proxy) -> None:
        if not isinstance(proxy, CausalLmLora):
            raise ConfigError(
                f"trainer sft: fine-tunes language models, and cannot train {type(proxy).__name__}; use it in "
                "`finetune` with the model 'causal_lm_lora'"
            )

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> NoReturn:
        raise AssertionError("language models are fine-tuned by `trial.fit_responses`")
