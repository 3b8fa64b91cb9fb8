"""Class names as weights: CLIP's zero-shot classifier (Radford et al. 2021, section 3.1.4)."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator

from labelbench_ray.encoders import Encoder
from labelbench_ray.encoders.open_clip import OpenClip
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy
from labelbench_ray.proxies.heads import Head, HeadContext, HeadLayer, _templates


def _read(given: Any) -> str | tuple[str, ...]:  # noqa: ANN401
    """A path becomes the content of its file, so a fingerprint depends on the templates, not on where they are."""
    if isinstance(given, str):
        return given if given in _templates.NAMES else _templates.read(Path(given))
    if isinstance(given, list | tuple):
        return _templates.checked(tuple(map(str, given)), "templates")
    raise ConfigError(f"{given!r} is neither one of {', '.join(_templates.NAMES)}, nor a path, nor a list")


class ZeroShot(Head):
    """Weights exp(logit_scale) * mean text embedding of a class over prompt templates, on features of length 1."""

    normalizes: ClassVar[bool] = True
    templates: Annotated[str | tuple[str, ...], BeforeValidator(_read)] = _templates.OPENAI_IMAGENET
    """openai_imagenet (80), simple (1), fmow (16), iwildcam (2), a list, or the path of a text file, one a line."""
    class_names: tuple[str, ...] | None = None
    """In the order of the data set's classes; None means the data set's own names, underscores read as spaces."""

    def check(self, encoder: Encoder, classes: tuple[str, ...] | None, proxy: Proxy | None) -> None:
        if not isinstance(encoder, OpenClip) or not encoder.knows_text():
            raise ConfigError(
                f"head zero_shot: {encoder!r} has no text tower that was trained with its images; use an open_clip "
                "encoder with pretrained weights, or the head 'random'"
            )
        if classes is not None:
            self._names(classes)

    def layer(self, context: HeadContext) -> HeadLayer:
        assert isinstance(context.encoder, OpenClip)
        prompts = [partial(_templates.filled, template) for template in self.prompts()]
        weight_DK = context.encoder.zero_shot_weights(self._names(context.classes), prompts)
        return HeadLayer(weight_DK, np.zeros(weight_DK.shape[1], np.float32), normalize=self.normalizes)

    def _names(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        names = self.class_names if self.class_names is not None else tuple(each.replace("_", " ") for each in classes)
        if len(names) != len(classes):
            raise ConfigError(
                f"head zero_shot: class_names has {len(names)} names, the data set {len(classes)} classes "
                f"({', '.join(classes[:3])}, ...); give one for each, in that order"
            )
        if blank := [place for place, name in enumerate(names) if not name.strip()]:
            raise ConfigError(
                f"head zero_shot: the name of class {blank[0]} ({classes[blank[0]]!r}) is empty; give it one in "
                "class_names"
            )
        return names

    def prompts(self) -> tuple[str, ...]:
        """The templates themselves."""
        if isinstance(self.templates, tuple):
            return self.templates
        if self.templates in _templates.WRITTEN:
            return _templates.WRITTEN[self.templates]
        # Imported here: open_clip takes 6 to 9 seconds to import, and planning does without.
        from open_clip import OPENAI_IMAGENET_TEMPLATES

        return tuple(template(_templates.PLACEHOLDER) for template in OPENAI_IMAGENET_TEMPLATES)
