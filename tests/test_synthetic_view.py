"""Every strategy of a plan is tried before anything is embedded: ours pass, and a user's mistake is named."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from labelbench_ray import strategies
from labelbench_ray.config import Part, Trial
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.planning.synthetic_view import check_strategies
from labelbench_ray.trial import parts
from tests.samples import write_module

SETTINGS = {"most_likely_positive": {"classes": [1]}}
SCORES = """
import numpy as np
from labelbench_ray.strategies import RowStrategy

class Own(RowStrategy):
    def score(self, block):
        return {}
"""
CHOOSES = """
from labelbench_ray.strategies import Strategy

class Own(Strategy):
    cold_start = True

    def choose(self, view, budget, key, ask):
        return {}
"""
DESCRIBED = "len(view.shards[0].raw_SD[0]), view.num_classes, len(view.labeled_L)"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """A strategy of the user's own, by what its method returns; its module path."""
    return lambda text, returned: write_module(tmp_path, "strategy", text.format(returned), monkeypatch)


def trial(strategy: Part | str, **changed: object) -> Trial:
    fields = {"dataset": "digits", "encoder": "pixels", "seed": 0, "rounds": 2, "budget": 10}
    return Trial.model_validate(fields | {"strategy": strategy} | changed)


def check(strategy: Part | str, dimensions: int = 64, classes: int = 10) -> None:
    check_strategies([parts.build(trial(strategy))], dimensions, classes)


@pytest.mark.parametrize("name", strategies.names())
@pytest.mark.parametrize(("dimensions", "classes"), [(1, 2), (64, 10), (384, 77)])
def test_every_strategy_of_ours_passes(name: str, dimensions: int, classes: int):
    check(Part.of(name, **SETTINGS.get(name, {})), dimensions, classes)


@pytest.mark.parametrize(
    ("text", "returned", "states"),
    [
        (SCORES, "block.probabilities_BK", r"Own\.score returned float32 of shape \(\d+, 10\) for \d+ rows; it must"),
        (SCORES, "block.probabilities_BK.max()", r"Own\.score returned float32 of shape \(\) for \d+ rows"),
        (SCORES, "block.probabilities_BK[1:, 0]", r"Own\.score returned float32 of shape \(\d+,\) for \d+ rows"),
        (SCORES, "None", r"Own\.score returned NoneType for \d+ rows; it must return \(B,\) floats, one for each row"),
        (SCORES, "['a'] * len(block.ids_B)", r"Own\.score returned <U1 of shape \(\d+,\)"),
        (SCORES, "[[1.0], [1.0, 2.0]]", r"Own\.score returned list for \d+ rows"),
        (SCORES, "np.full(len(block.ids_B), 1j)", r"Own\.score returned complex128 of shape \(\d+,\)"),
        (SCORES, "np.full(len(block.ids_B), np.nan)", r"Own\.score returned nan for row \d+; scores must be finite"),
        (SCORES, "np.full(len(block.ids_B), -np.inf)", r"Own\.score returned -inf for row \d+; scores must be finite"),
        (SCORES, "[float('nan')] * len(block.ids_B)", r"Own\.score returned nan for row \d+"),
        (CHOOSES, "view.open_ids()", r"Own returned int64 of shape \(224,\); a strategy must choose 8 distinct int64"),
        (CHOOSES, "view.labeled_L[:budget]", r"Own chose row \d+, which is labeled; choose unlabeled rows"),
        (CHOOSES, "list(range(budget))", r"Own returned list; a strategy must choose 8 distinct int64 pool ids"),
    ],
)
def test_what_an_own_strategy_returns_wrong_is_named_in_one_line(
    own: Callable[[str, str], str], text: str, returned: str, states: str
):
    name = own(text, returned)
    with pytest.raises(ConfigError, match=states) as raised:
        check(name)
    assert str(raised.value).startswith(f"strategy {name}, tried on 256 made-up rows: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("wrapper", "setting"),
    [("class_balanced", "strategy"), ("partition", "strategy"), ("subsample", "strategy"), ("power", "strategy")],
)
def test_an_own_strategy_inside_one_of_ours_is_tried_as_well(
    own: Callable[[str, str], str], wrapper: str, setting: str
):
    name = own(SCORES, "block.probabilities_BK")
    with pytest.raises(ConfigError, match=r"Own\.score returned float32 of shape"):
        check(Part.of(wrapper, **{setting: Part.of(name)}))


def test_what_an_own_strategy_raises_is_shown_with_its_own_frames_only(own: Callable[[str, str], str]):
    wrong = "np.stack([block.embeddings_BD, np.zeros(3)])[0]"
    name = own(SCORES, wrong)
    with pytest.raises(ConfigError, match="ValueError: all input arrays must have the same shape") as raised:
        check(name)
    files = re.findall(r'File ".*"', str(raised.value))
    assert len(files) == 1
    assert name.replace(".", "/") in files[0]
    assert wrong in str(raised.value)


def test_it_sees_the_pool_s_width_and_classes_and_no_labels_before_the_first_batch(own: Callable[[str, str], str]):
    name = own(CHOOSES, f"dict()[{DESCRIBED}]")
    with pytest.raises(ConfigError, match=r"KeyError: \(512, 77, 32\)"):
        check(name, 512, 77)
    with pytest.raises(ConfigError, match=r"^first_batch .*: KeyError: \(512, 77, 0\)"):
        check_strategies([parts.build(trial("margin", first_batch=name))], 512, 77)


def test_a_plan_tries_them_before_anything_is_embedded(own: Callable[[str, str], str], tmp_path: Path):
    environment = Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", "", None)
    trials = (trial("margin"), trial(own(SCORES, "block.probabilities_BK")))
    with pytest.raises(ConfigError, match=r"Own\.score returned"):
        plan(Experiment("study.study", trials), environment)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("returned", ["block.ids_B", "[float(number) for number in block.ids_B]", "block.ids_B > 3"])
def test_integers_and_lists_are_scores_too(own: Callable[[str, str], str], returned: str):
    check(own(SCORES, returned))
