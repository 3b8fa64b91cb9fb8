"""Texts lose and swap words, by their key alone, and are never left empty."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from pydantic import ValidationError

from labelbench_ray.augmentations import key
from labelbench_ray.augmentations.words import Words

TEXT = "why was my card payment declined twice in the same shop yesterday evening"
KEYS = draw.integers(0, 2**63 - 1)
texts = draw.lists(draw.text(draw.characters(categories=["L", "N"]), min_size=1, max_size=5), min_size=1, max_size=30)


@given(words=texts, number=KEYS, deletion=draw.floats(0, 0.99))
def test_words_stay_in_order_when_weak_and_are_some_of_the_text_s_always(words, number, deletion):
    augmentation = Words(weak_deletion=deletion, strong_deletion=deletion)
    weak, strong = (form(" ".join(words), number).split() for form in (augmentation.weak, augmentation.strong))
    left = iter(words)
    assert all(word in left for word in weak)  # a subsequence: each is found after the one before
    assert not Counter(strong) - Counter(words)
    assert weak
    assert strong


@given(number=KEYS, word=draw.sampled_from(["help", "??", "é"]))
def test_a_single_word_stays(number: int, word: str):
    augmentation = Words(weak_deletion=0.99, strong_deletion=0.99)
    assert augmentation.weak(word, number) == augmentation.strong(word, number) == word


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_a_text_without_words_stays_without(text: str):
    assert Words().weak(text, 5) == Words().strong(text, 5) == ""


def test_a_key_means_the_same_in_any_order():
    forms = Words().weak, Words().strong
    expected = {(form, number): form(TEXT, number) for number in range(50) for form in forms}
    assert {(form, number): form(TEXT, number) for number in reversed(range(50)) for form in forms} == expected


def test_views_differ_and_weak_is_not_strong():
    views = [key("row", view) for view in range(40)]
    assert len({Words().strong(TEXT, view) for view in views}) > 35
    assert len({Words().weak(TEXT, view) for view in views}) > 10
    assert all(Words().weak(TEXT, view) != Words().strong(TEXT, view) for view in views)


def test_words_are_deleted_as_often_as_is_said():
    lengths = {
        form: np.mean([len(getattr(Words(), form)(TEXT, number).split()) for number in range(3000)])
        for form in ("weak", "strong")
    }
    words = len(TEXT.split())
    assert lengths["weak"] == pytest.approx(0.9 * words, abs=0.1)
    assert lengths["strong"] == pytest.approx(0.8 * words, abs=0.12)


def test_pairs_are_swapped_as_many_as_is_said():
    """One swap puts two words out of place; each pair is met about as often as another."""
    words = [str(place) for place in range(8)]
    swapped = Counter()
    for number in range(2800):
        made = Words(strong_deletion=0, swaps=0.1).strong(" ".join(words), number).split()
        moved = tuple(place for place in range(8) if made[place] != words[place])
        assert len(moved) == 2
        swapped[moved] += 1
    assert len(swapped) == 28
    assert all(55 < count < 150 for count in swapped.values())  # 100 expected


def test_nothing_changes_when_all_is_off():
    off = Words(weak_deletion=0, strong_deletion=0, swaps=0)
    assert off.weak(TEXT, 1) == off.strong(TEXT, 1) == TEXT


@pytest.mark.parametrize("setting", ["weak_deletion", "strong_deletion", "swaps"])
@pytest.mark.parametrize("value", [-0.1, 1, float("nan")])
def test_settings_out_of_range_are_refused(setting: str, value: float):
    with pytest.raises(ValidationError):
        Words(**{setting: value})
