"""Random streams depend on the question asked, and on nothing else."""

from hypothesis import assume, given
from hypothesis import strategies as draw

from labelbench_ray.streams import integer, stream

question = draw.tuples(
    draw.integers(0, 2**40), draw.integers(0, 500), draw.sampled_from(["select", "fit", "noise", "first"])
)


@given(question)
def test_the_same_question_gives_the_same_stream_whatever_ran_before(asked: tuple[int, int, str]):
    first = stream(*asked).integers(2**63, size=3).tolist()
    stream(*asked).normal(size=100)
    assert stream(*asked).integers(2**63, size=3).tolist() == first


@given(question, question)
def test_different_questions_give_different_streams(one: tuple[int, int, str], other: tuple[int, int, str]):
    assume(one != other)
    assert integer(*one) != integer(*other)


@given(question)
def test_integers_are_seeds_of_63_bits(asked: tuple[int, int, str]):
    assert 0 <= integer(*asked) < 2**63


def test_the_streams_stay_what_they_are():
    assert integer(0, 0, "select") == 1993962092328501042
