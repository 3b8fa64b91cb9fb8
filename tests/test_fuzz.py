"""Whatever lies on disk, a reader gives it back or refuses it with an error of ours."""

import random
import time
from pathlib import Path

import pytest

from tests.fuzzing import OURS, Target, spoiled, targets

SECONDS = 5.0
"""A reader that takes longer hangs, as far as people are concerned."""
TRIES = 25


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("sound"))


NAMES = (
    *("trial", "part", "fine-tune", "header", "record", "grid", "point", "failure", "point header", "why", "manifest"),
    *("view manifest", "shard", "arrays", "proxy", "checkpoint"),
    *("image PNG", "image JPEG", "image GIF", "image TIFF", "image BMP", "image WEBP"),
)


def test_every_target_is_tried(every):
    assert set(every) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_sound_is_read(every, name: str, tmp_path: Path):
    every[name].read(tmp_path, every[name].sound)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_spoiled_is_read_or_refused_with_our_own_error(every, name: str, tmp_path: Path):
    choices = random.Random(f"{name} 0")
    for number in range(TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = spoiled(every[name], choices)
        start = time.monotonic()
        try:
            every[name].read(folder, data)
        except OURS:
            pass
        except Exception as error:
            raise AssertionError(f"{name}, try {number}: {data[:300]!r}") from error
        assert time.monotonic() - start < SECONDS, data[:300]
