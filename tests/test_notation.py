"""Parts as text: what `str(part)` gives is read back, and mistakes are reported in one line."""

import pytest

from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part, notation

PARTS = [
    Part.of("margin"),
    Part.of("power", coldness=2.0, measure="margin"),
    Part.of("partition", strategy=Part.of("margin"), rows=300),
    Part.of("partition", strategy=Part.of("power", coldness=0.5), rows=300),
    Part.of("uniform_mixture", arms=[Part.of("margin"), Part.of("power", coldness=1.5)]),
    Part.of("my_package.impurity", weights=[0.25, -1, 2e-3], on=True, off=None),
    Part.of("open_clip", model="ViT-B-32", checkpoint="s3://bucket/a b/c.pt"),
]


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_what_is_printed_is_read_back(part: Part) -> None:
    read = notation.part(str(part), "--strategies")
    assert str(read) == str(part)
    assert read.settings.keys() == part.settings.keys()


TEXTS = [
    "my photos, é",
    "2024",
    "true",
    "null",
    "None",
    "1e5",
    "-.5",
    "",
    " lead",
    "trail ",
    "a]b",
    "a[b",
    "x=[1",
    "a(b)c",
    "a(b)",
    "'q'",
    "it's",
    'say "hi"',
    "both ' and \"",
    "C:\\x\\",
    "a\nb",
    "{a}",
    "a{",
    "x 'y, z",
    'a,"b',
    "k=v",
    "a b",
    "'",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_read_back_as_they_are(text: str) -> None:
    part = Part.of(
        "a", b=text, c=[text, 1], d={"x": text, "y": None}, e=Part.of("f", g=text), h=[Part.of("i", j=text), text]
    )
    assert notation.part(str(part), "--x") == part
    assert notation.parts(f"{part}, {part}", "--x") == [part, part]


@pytest.mark.parametrize("text", ["photos", "s3://bucket/a b/c.pt", "it's", "ViT-B-32", "a.b", "k=v", "1-2"])
def test_usual_texts_are_printed_without_quotes(text: str) -> None:
    assert str(Part.of("a", b=text)) == f"a(b={text})"


def test_several_parts_are_separated_by_commas_outside_of_brackets() -> None:
    text = ", ".join(map(str, PARTS))
    assert [str(part) for part in notation.parts(text, "--strategies")] == [str(part) for part in PARTS]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("-2.5e-3", -0.0025),
        ("true", True),
        ("None", None),
        ("[]", []),
        ("[1, [2, 3]]", [1, [2, 3]]),
        ("margin", "margin"),
        ("'00012'", "00012"),
        ('"a, b)"', "a, b)"),
        ("it's", "it's"),
        ("data/x-1.json", "data/x-1.json"),
        ("power(coldness=1)", {"name": "power", "settings": {"coldness": 1}}),
    ],
)
def test_values(written: str, value: object) -> None:
    assert notation.part(f"name(key={written})", "--encoder").settings == {"key": value}


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("", "'' does not name one"),
        ("margin,,random", "'' does not name one"),
        ("margin random", "'margin random' does not name one"),
        ("power(coldness=2", "'(' is not closed"),
        ("power(coldness=[2)", "')' closes nothing"),
        ("power)", "')' closes nothing"),
        ("power(2)", "'2' is not a setting of power"),
        ("power(coldness=1, coldness=2)", "has the setting 'coldness' twice"),
        ("power(coldness='2)", '"\'" is not closed'),
    ],
)
def test_mistakes_are_reported_in_one_line(text: str, reported: str) -> None:
    with pytest.raises(ConfigError) as refused:
        notation.parts(text, "--strategies")
    assert str(refused.value).startswith("--strategies: ")
    assert reported in str(refused.value)
    assert "\n" not in str(refused.value)
