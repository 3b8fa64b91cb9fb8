"""`labelbench check`, and `check` in Python: a line a law, and what cannot be checked."""

import subprocess
import sys
from pathlib import Path

import pytest

from labelbench_ray import Part
from labelbench_ray.commands import cli
from labelbench_ray.contracts import Verdict, check
from labelbench_ray.errors import ConfigError
from labelbench_ray.strategies.margin import Margin

IMPURITY = """
import numpy as np
from labelbench_ray.strategies import RowStrategy

class Impurity(RowStrategy):
    power: float = 2.0

    def score(self, block):
        return -(block.probabilities_BK.astype(float) ** self.power).sum(axis=1)
"""
NOISY = IMPURITY.replace(".sum(axis=1)", ".sum(axis=1) + np.random.random(len(block.ids_B))")
HEAVY = "ray", "pytest", "hypothesis", "mlflow"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "impurity.py").write_text(IMPURITY)
    (tmp_path / "noisy.py").write_text(NOISY)
    return tmp_path


def run(*words: str) -> int:
    status = cli.app(["check", *words], standalone_mode=False)
    assert isinstance(status, int)
    return status


def test_a_line_a_law_and_status_0_where_none_is_broken(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("impurity.py", "--settings", '{"power": 3}') == 0
    title, *lines, summary = capsys.readouterr().out.splitlines()
    assert title == "impurity: Impurity(power=3.0), a strategy"
    assert len(lines) == 25
    assert {line[:6] for line in lines} == {"pass  ", "n/a   "}
    held = sum(line.startswith("pass") for line in lines)
    assert summary == f"{held} laws hold, 0 broken, {25 - held} not about it"


def test_status_1_and_a_line_that_states_the_fix_where_one_is_broken(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("noisy.py") == 1
    broken = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert any("chooses the same rows for the same pool and key: called twice" in line for line in broken)
    assert all("; " in line for line in broken)


def test_a_module_of_a_package_by_its_path_and_by_its_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (folder / "checked_package").mkdir()
    (folder / "checked_package/__init__.py").touch()
    (folder / "checked_package/helper.py").write_text("POWER = 2.0")
    text = IMPURITY.replace("import numpy as np", "import numpy as np\nfrom .helper import POWER")
    (folder / "checked_package/impurity.py").write_text(text)
    for name in ("checked_package.impurity", "checked_package/impurity.py"):
        assert run(name) == 0
        assert capsys.readouterr().out.startswith("checked_package.impurity: Impurity(power=2.0), a strategy")


@pytest.mark.parametrize(
    ("words", "states"),
    [
        (["nowhere.impurity"], "no module 'nowhere.impurity': give the path of a file, or the full path of a module"),
        (["nowhere.py"], r"no file 'nowhere\.py'; give the path"),
        (["margn"], "no plug-in that ships here is called 'margn'; give yours by a full module path"),
        (
            ["labelbench_ray.types"],
            r"labelbench_ray\.types defines 0 plug-ins \(\w+ does not refine .*\); .* defines one",
        ),
        (["two.py"], r"two\.py defines 2 plug-ins"),
        (["lacking.py"], r"lacking\.py defines 0 plug-ins \(Own lacks choose\)"),
        (["raising.py"], r"raising\.py cannot be imported: ZeroDivisionError"),
        (["needing.py"], r"needing\.py cannot be imported: No module named 'no_such_package'; install what it needs"),
        (["impurity.py", "--settings", '{"powr": 3}'], "no setting of Impurity called 'powr'; did you mean 'power'"),
        (["impurity.py", "--settings", "{"], "--settings '{' is not JSON"),
        (["impurity.py", "--settings", "3"], "--settings '3' is not an object"),
    ],
)
def test_what_cannot_be_made_is_refused(folder: Path, words: list[str], states: str):
    (folder / "two.py").write_text(IMPURITY + IMPURITY.replace("class Impurity", "class Other"))
    (folder / "lacking.py").write_text("from labelbench_ray.strategies import Strategy\nclass Own(Strategy): pass")
    (folder / "raising.py").write_text("1 / 0")
    (folder / "needing.py").write_text("import no_such_package")
    with pytest.raises(ConfigError, match=states) as raised:
        run(*words)
    assert len(str(raised.value).splitlines()) == 1 or "raising" in words[0]


def test_in_python_by_name_part_or_object():
    for given in ("margin", Part(name="margin"), Margin()):
        checked = check(given)
        assert checked.passed
        assert checked.plugin == Margin()
        assert str(checked).startswith("labelbench_ray.strategies.margin: Margin(), a strategy\n")
    assert check("most_likely_positive", {"classes": [1]}).passed


def test_a_data_set_is_read_below_the_data_root(folder: Path):
    verdicts = {each.verdict for each in check("banking77", data_root=folder).findings}
    assert verdicts == {Verdict.PASS, Verdict.NOT_APPLICABLE}, "its data are not there"


def test_it_needs_neither_ray_nor_a_test_library(folder: Path):
    program = (
        "import sys; from labelbench_ray.commands import cli\n"
        "status = cli.app(['check', 'impurity.py'], standalone_mode=False)\n"
        f"print('imported:', *({set(HEAVY)!r} & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "imported:"
