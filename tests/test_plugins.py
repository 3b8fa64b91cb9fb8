"""A plug-in is a file: found by name or by full module path, refused by name when it is not one."""

import pickle
from pathlib import Path

import pytest
from pydantic import PositiveInt, ValidationError

from labelbench_ray import datasets, errors, plugins, proxies, strategies, trainers
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Frozen, Part
from labelbench_ray.plugins.explanations import explain
from tests.samples import write_module

STRATEGY = """
import numpy as np
from labelbench_ray.strategies import RowStrategy

class {name}(RowStrategy):
    version = {version}
    power: float = 2.0

    def score(self, block):
        return block.ids_B.astype(float) ** self.power
"""


def load(name: str) -> type:
    return plugins.load(strategies.Strategy, strategies.PACKAGE, name)


def test_a_name_is_a_file():
    assert load("margin").__module__ == "labelbench_ray.strategies.margin"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("margn", r"no strategy called 'margn'; did you mean 'margin'\? \(have: .*random"),
        ("zzz", r"no strategy called 'zzz' \(have: "),
        ("__init__", "no strategy called '__init__'"),
        ("Margin", "did you mean 'margin'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_names_there_are(name: str, message: str):
    with pytest.raises(ConfigError, match=message):
        load(name)


@pytest.mark.parametrize("name", ["nobody.has.this", "os.nothing", "margin.py", "os.path.deeper"])
def test_an_unknown_module_path_is_refused_by_name(name: str):
    with pytest.raises(ConfigError, match=f"no module '{name}' for a strategy"):
        load(name)


@pytest.mark.parametrize("name", [".margin", "..", "labelbench_ray..margin", "user."])
def test_a_path_that_no_module_can_have_is_refused_by_name(name: str):
    with pytest.raises(ConfigError, match="module"):
        load(name)


def test_a_file_of_the_user_s_own_is_named_by_its_module_path(tmp_path, monkeypatch):
    path = write_module(tmp_path, "own", STRATEGY.format(name="Own", version=3), monkeypatch)
    built = plugins.build(strategies.Strategy, strategies.PACKAGE, Part.of(path, power=3.0))
    assert plugins.recipe(path, built) == {"name": path, "version": 3, "settings": {"power": 3.0}}


def test_a_plug_in_of_the_user_s_own_survives_pickling(tmp_path, monkeypatch):
    path = write_module(tmp_path, "pickled", STRATEGY.format(name="Own", version=1), monkeypatch)
    built = plugins.build(strategies.Strategy, strategies.PACKAGE, Part.of(path, power=3.0))
    assert pickle.loads(pickle.dumps(built)) == built  # noqa: S301


def test_a_setting_at_the_value_that_its_field_leaves_out_is_as_one_that_is_not_given():
    for given, kept in ({"rotated_test": False}, {}), ({"rotated_test": True}, {"rotated_test": True}):
        part = Part.of("digits", **given)
        built = plugins.build(datasets.Dataset, datasets.PACKAGE, part)
        assert plugins.with_resolved_settings(part, built) == Part.of("digits", **kept)


def test_a_file_with_two_plug_ins_is_refused(tmp_path, monkeypatch):
    two = STRATEGY.format(name="One", version=1) + STRATEGY.format(name="Two", version=1)
    path = write_module(tmp_path, "two", two, monkeypatch)
    with pytest.raises(ConfigError, match=rf"{path} defines 2 classes that refine Strategy \(One; Two\)"):
        load(path)


def test_a_file_with_no_plug_in_of_the_kind_is_refused(tmp_path, monkeypatch):
    path = write_module(tmp_path, "kind", STRATEGY.format(name="Own", version=1), monkeypatch)
    with pytest.raises(ConfigError, match=rf"{path} defines 0 .* Trainer \(Own does not refine Trainer\)"):
        plugins.load(trainers.Trainer, trainers.PACKAGE, path)


def test_a_file_that_needs_a_missing_package_says_which_and_how_to_get_it(tmp_path, monkeypatch):
    path = write_module(tmp_path, "needy", "import not_installed_here.deeper", monkeypatch)
    with pytest.raises(ConfigError, match=r"needs the package 'not_installed_here'.*pip install"):
        load(path)


OLD = """
from labelbench_ray.strategies import Strategy
from labelbench_ray.strategies.margin import Margin

class Old({base}):
    def _choose(self, view, budget, key, ask):
        return view.open_ids()[:budget]
"""
OLD_DATASET = """
from labelbench_ray.datasets import Dataset
from labelbench_ray.datasets.digits import Digits

class Old({base}):
    def _open(self, root):
        raise NotImplementedError
"""


@pytest.mark.parametrize("base", ["Strategy", "Margin"])
def test_a_method_under_its_old_name_is_refused_with_the_new_one(base: str, tmp_path, monkeypatch):
    path = write_module(tmp_path, f"old_{base.lower()}", OLD.format(base=base), monkeypatch)
    with pytest.raises(ConfigError, match=f"^{path}.Old defines '_choose', which is now called 'choose'; rename"):
        load(path)


@pytest.mark.parametrize("base", ["Dataset", "Digits"])
def test_a_data_set_s_method_under_its_old_name_is_refused_with_the_new_one(base: str, tmp_path, monkeypatch):
    path = write_module(tmp_path, f"old_{base.lower()}", OLD_DATASET.format(base=base), monkeypatch)
    with pytest.raises(ConfigError, match=f"^{path}.Old defines '_open', which is now called 'load'; rename"):
        plugins.load(datasets.Dataset, datasets.PACKAGE, path)


def test_a_class_with_the_old_and_the_new_method_is_a_plug_in(tmp_path, monkeypatch):
    both = OLD.format(base="Strategy") + "    choose = _choose\n"
    assert load(write_module(tmp_path, "old_and_new", both, monkeypatch)).__name__ == "Old"


def test_a_setting_under_its_old_name_is_refused_with_the_new_one():
    with pytest.raises(ConfigError, match="strategy 'power': the setting 'base' of Power is now called 'strategy'"):
        strategies.create("power", base="margin")


class Example(Frozen):
    number: PositiveInt = 1
    color: str = "red"


def test_an_unknown_key_is_answered_with_the_nearest():
    with pytest.raises(ValidationError, match="no setting of Example called 'colour'; did you mean 'color'"):
        Example(colour="blue")


def test_values_never_change():
    with pytest.raises(ValidationError, match="frozen"):
        Example().number = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part.of("supervised", epochs=0), r"trainer 'supervised': epochs: .*greater than 0 \(was 0\)"),
        (Part.of("supervised", epochs="many"), r"epochs: .*integer.* \(was 'many'\)"),
        (Part.of("supervised", epoch=3), "trainer 'supervised': .*'epoch'; did you mean 'epochs'"),
        (Part.of("supervised", label_smoothing=1.0), r"label_smoothing: .*less than 1 \(was 1.0\)"),
    ],
)
def test_a_wrong_setting_says_the_plug_in_the_rule_and_the_value(part: Part, message: str):
    with pytest.raises(ConfigError, match=message):
        plugins.build(trainers.Trainer, trainers.PACKAGE, part)


def test_a_part_may_be_given_by_its_name_alone():
    assert Part.model_validate("margin") == Part(name="margin", settings={})


def test_a_part_says_its_name_and_settings():
    assert str(Part.of("supervised", epochs=3, batch_size=8)) == "supervised(batch_size=8, epochs=3)"
    assert str(Part.of("margin")) == "margin"


def test_a_part_takes_parts_as_settings_and_says_them():
    nested = Part.of("partition", strategy=Part.of("power", strategy="entropy"), parts=3)
    assert str(nested) == "partition(parts=3, strategy=power(strategy=entropy))"
    assert Part.model_validate_json(nested.model_dump_json()) == nested
    assert str(Part.of("partition", strategy=Part.of("margin"))) == "partition(strategy=margin)"


def test_a_part_takes_tuples_as_json_does():
    assert Part.of("most_likely_positive", classes=(0, 2)) == Part.of("most_likely_positive", classes=[0, 2])


def test_a_recipe_holds_the_recipes_of_the_plug_ins_within(tmp_path, monkeypatch):
    path = write_module(tmp_path, "within", STRATEGY.format(name="Own", version=3), monkeypatch)
    built = plugins.build(strategies.Strategy, strategies.PACKAGE, Part.of("subsample", strategy=path, rows=7))
    inner = {"name": path, "version": 3, "settings": {"power": 2.0}}
    assert plugins.recipe("subsample", built)["settings"] == {"strategy": inner, "rows": 7}


def test_a_plug_in_that_does_not_say_what_it_is_made_of_has_no_recipe():
    class Careless(plugins.Plugin):
        strategy: Part = Part(name="margin")

    with pytest.raises(AssertionError, match=r"Careless.inner_plugins must make \['strategy'\]"):
        plugins.recipe("careless", Careless())


@pytest.mark.parametrize(
    "kind", [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, ValueError)]
)
def test_the_user_s_mistakes_are_value_errors_that_travel_between_processes(kind: type[ValueError]):
    sent = pickle.loads(pickle.dumps(kind("row 3: the rule")))  # noqa: S301
    assert type(sent) is kind
    assert str(sent) == "row 3: the rule"


def test_an_error_shows_no_more_of_a_value_than_a_person_reads():
    with pytest.raises(ValidationError) as error:
        Part.model_validate_json("{" + "x" * 10_000)
    assert len(explain(error.value)) < 500


def test_packages_beside_plug_ins_are_no_plug_ins():
    assert (Path(trainers.__path__[0]) / "engine" / "__init__.py").is_file()
    assert "engine" not in plugins.names(trainers.PACKAGE)
    assert "heads" not in plugins.names(proxies.PACKAGE)
