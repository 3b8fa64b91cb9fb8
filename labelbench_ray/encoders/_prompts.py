"""Prompts as a causal language model reads them: plain text, or the model's template of chats applied."""

import json
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from labelbench_ray.datasets import Payload

FACTS: Final = (
    "mean_entropy",
    "max_entropy",
    "neg_logprob",
    "mean_margin",
    "min_margin",
    "min_confidence",
    "num_new_tokens",
    "num_prompt_tokens",
)
"""What the network computes of each prompt."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as text; a template of chats has written its special tokens already."""

    text: str
    templated: bool

    def tokens(self, tokenizer: Any) -> list[int]:  # noqa: ANN401  transformers' own types differ by model
        """Its tokens."""
        return list(tokenizer(self.text, add_special_tokens=not self.templated, verbose=False)["input_ids"])


def has_template(tokenizer: Any) -> bool:  # noqa: ANN401
    """Whether the model is one for chats."""
    return bool(getattr(tokenizer, "chat_template", None))


def as_prompt(payload: Payload, tokenizer: Any) -> Prompt:  # noqa: ANN401
    """A payload as a prompt.

    Raises:
        ValueError: it is not text, it is empty, or it holds messages and the model has no template of chats.
    """
    if not isinstance(payload, str):
        raise ValueError("payload is bytes that are not UTF-8, a language model needs text")
    if not payload.strip():
        raise ValueError("empty prompt")
    messages = as_messages(payload)
    if not has_template(tokenizer):
        if messages:
            raise ValueError("the prompt is a list of chat messages, and the model has no template of chats; give text")
        return Prompt(payload, templated=False)
    return Prompt(_templated(messages or [{"role": "user", "content": payload}], tokenizer), templated=True)


def as_messages(payload: str) -> list[dict[str, str]]:
    """The chat messages that a payload holds as JSON; none if it is plain text."""
    if not payload.lstrip().startswith("["):
        return []
    try:
        found = json.loads(payload)
    except ValueError:
        return []
    return (
        found if found and all(isinstance(each, dict) and {"role", "content"} <= each.keys() for each in found) else []
    )


def constant_prefix(tokenizer: Any) -> list[int]:  # noqa: ANN401
    """The tokens that every templated prompt of one user message begins with; none without a template."""
    if not has_template(tokenizer):
        return []
    one, other = (as_prompt(text, tokenizer).tokens(tokenizer) for text in ("a", "7"))
    return [token for token, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))]


def _templated(messages: list[dict[str, str]], tokenizer: Any) -> str:  # noqa: ANN401
    if messages[0]["role"] != "system":
        # Templates insert a default system prompt of some 25 tokens where there is none.
        messages = [{"role": "system", "content": ""}, *messages]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except Exception as error:  # templates are code in Jinja, which raises what it wants
        if messages[0] == {"role": "system", "content": ""}:
            # Some templates allow no system message at all.
            return str(tokenizer.apply_chat_template(messages[1:], tokenize=False, add_generation_prompt=True))
        raise ValueError(f"the model's template of chats refuses the messages: {error}") from error
