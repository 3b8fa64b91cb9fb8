"""What a plan states about a data set: rows and classes of every split, what is ignored, within a few lines."""

import sys

import numpy as np
import pytest

from labelbench_ray.api import run_plan, stores
from labelbench_ray.commands import cli
from labelbench_ray.datasets import Findings, Ignored, Records, Source, Split
from labelbench_ray.planning.data_words import MOST_LINES, alike, describe_source
from tests.test_plan import BASE, describe, make_plan


class Labels:
    """A table that knows its labels and has no payloads."""

    def __init__(self, labels: list[int]) -> None:
        self.labels_N = np.array(labels)

    def __len__(self) -> int:
        return len(self.labels_N)

    def read(self, rows: object) -> Records:
        raise AssertionError("a plan reads no payload")

    def labels(self, rows: object) -> np.ndarray:
        return self.labels_N[np.asarray(rows)]


class Silent(Labels):
    labels = None


def source(labels: list[int], classes=("cat", "dog", "emu"), table=Labels, **findings) -> Source:
    return Source(classes, {"pool": Split(table(labels), range(len(labels)))}, "s", Findings(**findings))


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        ([0, 1, 1, 2, 2, 2], "pool: 6 rows, 3 classes; largest emu (3), smallest cat (1)"),
        ([0, 1, 2], "pool: 3 rows, 3 classes; 1 row each"),
        ([0, 1, 1], "pool: 3 rows, 2 of 3 classes; largest dog (2), smallest emu (0); no row of emu"),
    ],
)
def test_rows_and_classes_of_a_split(labels, line):
    assert describe_source(source(labels)) == (line,)


def test_a_split_counts_its_own_rows_only():
    halved = Source(("a", "b"), {"test": Split(Labels([0, 0, 1, 1]), np.array([1, 2, 3]))}, "s")
    assert describe_source(halved) == ("test: 3 rows, 2 classes; largest b (2), smallest a (1)",)


def test_a_table_of_a_user_s_own_need_not_know_its_labels():
    assert describe_source(source([0, 1, 2], table=Silent)) == ("pool: 3 rows, at most 3 classes",)


def test_where_a_split_is_from():
    lines = describe_source(source([0, 1, 2], origins={"pool": "3 files of train/"}))
    assert lines == ("pool: 3 rows, 3 classes, 3 files of train/; 1 row each",)


def test_what_is_ignored_is_named_with_counts_one_line_a_reason():
    left = (Ignored(".txt", 3, "no image"), Ignored("@eaDir/", 40, "hidden"), Ignored("no suffix", 1, "no image"))
    lines = describe_source(source([0, 1, 2], ignored=(*left, Ignored("dev/", 0, "no split"))))
    assert lines[1:] == (
        "ignored (hidden): @eaDir/ (40 files)",
        "ignored (no image): .txt (3 files), no suffix (1 file)",
        "ignored (no split): dev/",
    )


def test_however_much_there_is_the_lines_are_few():
    kinds = tuple(Ignored(f".s{number}", 2, "no image") for number in range(22))
    many = describe_source(source([0, 1, 2], ignored=kinds))
    assert len(many) == 2
    assert many[1].endswith(", and 14 more")
    reasons = tuple(Ignored(".txt", 1, f"reason {number:02d}") for number in range(30))
    most = describe_source(source([0, 1, 2], ignored=reasons))
    assert len(most) == MOST_LINES
    assert most[-1] == "and 20 more lines like these"


def test_classes_that_look_alike_are_named_so_that_the_difference_shows():
    lines = describe_source(source([0, 1, 2], classes=("Cat", "cat ", "caf\u00e9")))
    assert lines[1:] == ("these class names look alike: 'Cat', 'cat '",)
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    lines = describe_source(source([0, 1, 2], classes=(composed, decomposed, "tea")))
    assert lines[1:] == (f"these class names look alike: {composed!r}, 'cafe\\u0301'",)


def test_names_that_differ_otherwise_are_not_alike():
    assert alike(["hot dog", "hot  dog", "HOTDOG", "hot-dog", "dog"]) == [("hot dog", "hot  dog", "HOTDOG")]


def test_names_cannot_move_the_cursor():
    (line,) = describe_source(source([0, 1, 1, 2], classes=("\x1b[2J", "a\nb", "c\u202ed")))
    assert line == r"pool: 4 rows, 3 classes; largest a\nb (2), smallest \x1b[2J (1)"


def test_a_plan_states_the_digits(tmp_path):
    lines = describe(make_plan(tmp_path, BASE))
    assert "  pool: 1,257 rows, 10 classes; largest 3 (128), smallest 8 (122)" in lines
    assert sum(line.startswith(("  validation: 180 rows, 10", "  test: 360 rows, 10")) for line in lines) == 2


EXPERIMENT = """
from labelbench_ray.config import Trial, grid


def study() -> list[Trial]:
    base = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=1, budget=10)
    return grid(base, seed=range(2), encoder=["pixels", "efficientnet_lite0"])
"""


@pytest.mark.parametrize("command", ["embed", "run"])
def test_embed_and_run_state_each_data_set_once_before_they_start(tmp_path, monkeypatch, capsys, command):
    """What they do after that is replaced."""
    (tmp_path / "study.py").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)

    def starts(*_: object) -> int:
        sys.stdout.write("starts\n")
        return 0

    for module, name in ((stores, "provide"), (stores, "make_stores"), (run_plan, "run_plan")):
        monkeypatch.setattr(module, name, starts)
    assert cli.app([command, "study.py", "--executor", "local"], standalone_mode=False) == 0
    lines = capsys.readouterr().out.splitlines()
    before = lines[: lines.index("starts")]
    assert before.count("data set digits:") == 1
    assert before.count("  pool: 1,257 rows, 10 classes; largest 3 (128), smallest 8 (122)") == 1
