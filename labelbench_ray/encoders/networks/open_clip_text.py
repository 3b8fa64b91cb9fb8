"""The text tower of an open_clip model. Imports open_clip, which takes seconds: see `open_clip_models`."""

from collections.abc import Callable, Sequence

import open_clip
import torch

from labelbench_ray.encoders.networks.open_clip_models import Source
from labelbench_ray.encoders.networks.open_clip_network import registered, whole
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.types import Floats


def zero_shot_weights(source: Source, names: Sequence[str], prompts: Sequence[Callable[[str], str]]) -> Floats:
    """(D, K) float32: exp(logit_scale) times each class's mean text embedding of length 1.

    Raises:
        NotProvidedError: the model's tokenizer lies on a hub and not on this machine.
    """
    model = whole(source)
    try:
        tokenizer = open_clip.get_tokenizer(registered(source.model))
    except Exception as error:  # tokenizers of transformers are fetched from a hub, which fails in many ways
        raise NotProvidedError(
            f"the tokenizer of {source.model} is not on this machine ({error}); fetch it where the network allows it, "
            "or use the head 'random'"
        ) from error
    with torch.inference_mode():
        weight_DK = open_clip.build_zero_shot_classifier(model, tokenizer, names, prompts)
        scaled_DK: Floats = (model.get_parameter("logit_scale").exp() * weight_DK).float().numpy()
    return scaled_DK
