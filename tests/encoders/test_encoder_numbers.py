"""The encoder `numbers`: a text of numbers is its embedding."""

import numpy as np
import pytest

from labelbench_ray.encoders.numbers import Numbers


def test_a_text_of_numbers_is_its_embedding():
    encoder = Numbers(columns=3)
    decoded = [encoder.decode(text) for text in ("1 -2.5 3e2", "0.1,0.2, 0.3", " 7\t8\n9 ")]
    found = encoder.load("cpu").embed(decoded)
    np.testing.assert_array_equal(found, np.array([[1, -2.5, 300], [0.1, 0.2, 0.3], [7, 8, 9]], np.float32))
    assert encoder.dimensions() == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2", "2 numbers; this encoder takes 3"),
        ("1 2 x", "could not convert string to float: 'x'"),
        ("1 2 nan", "NaN or beyond 65,504"),
        ("1 2 70000", "NaN or beyond 65,504"),
        ("", "0 numbers"),
    ],
)
def test_other_texts_are_rejects_with_a_reason(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        Numbers(columns=3).decode(text)
