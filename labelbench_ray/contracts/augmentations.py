"""The laws of augmentations: pure functions of what was decoded and of a key."""

from collections.abc import Callable
from typing import Final

import numpy as np

from labelbench_ray.augmentations import Augmentation, key
from labelbench_ray.contracts.law import Law, require
from labelbench_ray.contracts.settings import sent
from labelbench_ray.datasets import Modality
from labelbench_ray.encoders import Decoded

Change = Callable[[Decoded, int], Decoded]
WORDS: Final = "my card has not arrived yet and the app still shows that it was sent two weeks ago"
KEYS: Final = tuple(key(f"row {number}", 0) for number in range(20))


def repeats(augmentation: Augmentation) -> None:
    """The same row is changed in the same way on every machine."""
    given, copy = decoded(augmentation), sent(augmentation)
    for one in KEYS:
        for name, form, other in _forms(augmentation, copy):
            first, again = form(given, one), other(given, one)
            require(
                np.array_equal(first, again),
                f"`{name}` changed the same payload in two ways for the same key",
                "draw from `labelbench_ray.augmentations.stream(key, purpose)` alone",
            )


def keeps_shape_and_type(augmentation: Augmentation) -> None:
    """The network takes what `decode` returns."""
    given = decoded(augmentation)
    for one in KEYS:
        for name, form, _ in _forms(augmentation, augmentation):
            changed = form(given, one)
            what, rule = _kind(changed), _kind(given)
            require(what == rule, f"`{name}` returned {what} for {rule}", "keep shape and type, as in `.astype(dtype)`")


def leaves_its_input(augmentation: Augmentation) -> None:
    """What was decoded is changed once for each view."""
    given = decoded(augmentation)
    before = given if isinstance(given, str) else given.copy()
    for one in KEYS:
        for name, form, _ in _forms(augmentation, augmentation):
            form(given, one)
            require(np.array_equal(given, before), f"`{name}` changed the array that it was given", "change a copy")


def depends_on_the_key(augmentation: Augmentation) -> None:
    """Views of a row differ."""
    given = decoded(augmentation)
    changed = {str(np.asarray(augmentation.strong(given, one)).tolist()) for one in KEYS}
    require(len(changed) > 1, f"`strong` gives the same for {len(KEYS)} keys", "draw what is changed from the key")


def decoded(augmentation: Augmentation) -> Decoded:
    """An example of what it changes."""
    if augmentation.payload == Modality.TEXT:
        return WORDS
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def _forms(one: Augmentation, other: Augmentation) -> tuple[tuple[str, Change, Change], ...]:
    return (("weak", one.weak, other.weak), ("strong", one.strong, other.strong))


def _kind(given: Decoded) -> str:
    return f"{given.dtype} of shape {given.shape}" if isinstance(given, np.ndarray) else type(given).__name__


LAWS: Final[tuple[Law[Augmentation], ...]] = (
    Law("changes a payload in the same way for the same key, in every process", repeats),
    Law("keeps shape and type", keeps_shape_and_type),
    Law("leaves its input as it is", leaves_its_input),
    Law("changes a payload in other ways for other keys", depends_on_the_key),
)
