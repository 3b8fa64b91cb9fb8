"""Trials are frozen values; a grid's axes are any fields of them."""

import pytest
from pydantic import ValidationError

from labelbench_ray import plugins, trainers
from labelbench_ray.config import TINY_BUDGET, TINY_ROUNDS, TINY_ROWS, FineTune, Part, Trial, digest, grid, tiny, vary
from labelbench_ray.errors import ConfigError

BASE = Trial(
    dataset=Part(name="digits"), encoder=Part(name="pixels"), strategy=Part(name="random"), seed=0, rounds=8, budget=100
)


def test_a_trial_never_changes():
    with pytest.raises(ValidationError, match="frozen"):
        BASE.seed = 1  # type: ignore[misc]


def test_a_trial_of_strings_is_a_trial_of_parts():
    assert Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=8, budget=100) == BASE


def test_an_unknown_field_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no setting of Trial called 'stratgy'; did you mean 'strategy'"):
        vary(BASE, stratgy="margin")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rounds", 0),
        ("budget", 0),
        ("budget", -5),
        ("seed", -1),
        ("strategy", ""),
        ("seed", 0.5),
        ("strategy", 3),
    ],
)
def test_a_value_out_of_range_is_refused_by_field_and_value(field: str, value: object):
    with pytest.raises(ConfigError, match=f"trial: {field}.*{value!r}"):
        vary(BASE, **{field: value})


def test_a_grid_is_every_combination_in_the_order_of_its_axes():
    trials = grid(BASE, strategy=["random", "margin"], seed=range(3))
    assert [(trial.strategy.name, trial.seed) for trial in trials] == [
        ("random", 0),
        ("random", 1),
        ("random", 2),
        ("margin", 0),
        ("margin", 1),
        ("margin", 2),
    ]


def test_a_grid_of_no_axes_is_its_base():
    assert grid(BASE) == [BASE]


@pytest.mark.parametrize("field", Trial.model_fields)
def test_every_field_can_be_an_axis(field: str):
    values = [1, 2] if field in ("seed", "rounds", "budget") else [Part.of("one", setting=1), "two"]
    if field == "finetune":
        values = [None, FineTune(model=Part(name="lora"))]
    assert [getattr(trial, field) for trial in grid(BASE, **{field: values})] == [
        Part.model_validate(value) if isinstance(getattr(BASE, field), Part) else value for value in values
    ]


def test_an_unknown_axis_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no axis called 'stratgy'; did you mean 'strategy'"):
        grid(BASE, stratgy=["margin"])


@pytest.mark.parametrize("axis", [{"strategy": "margin"}, {"seed": 3}])
def test_an_axis_of_one_value_without_a_list_is_refused_by_name(axis: dict):
    with pytest.raises(ConfigError, match=next(iter(axis))):
        grid(BASE, **axis)


def test_tiny_is_two_short_rounds_of_few_rows():
    (trial,) = tiny([BASE])
    assert (trial.rounds, trial.budget) == (TINY_ROUNDS, TINY_BUDGET)
    assert trial.dataset.settings["max_rows"] == TINY_ROWS
    assert trial.strategy == BASE.strategy


def test_tiny_enlarges_nothing():
    small = vary(BASE, rounds=1, budget=5, dataset=Part.of("digits", max_rows=60))
    (trial,) = tiny([small])
    assert (trial.rounds, trial.budget, trial.dataset.settings["max_rows"]) == (1, 5, 60)


def test_tiny_keeps_the_other_settings_of_the_data_set():
    (trial,) = tiny([vary(BASE, dataset=Part.of("parquet", path="here"))])
    assert trial.dataset.settings == {"path": "here", "max_rows": TINY_ROWS}


def test_tiny_epochs_of_a_set_number_of_steps_are_short():
    (trial,) = tiny([vary(BASE, trainer=Part.of("supervised", epochs=9, epoch_steps=8))])
    assert trial.trainer.settings == {"epochs": 2, "epoch_steps": 2}


def test_tiny_twice_is_tiny():
    once = tiny(grid(BASE, strategy=["random", "margin"], budget=[50, 100]))
    assert tiny(once) == once
    assert len(once) == 2


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"b": [1, 2], "a": None}) == digest({"a": None, "b": [1, 2]})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": True},
        {"rounds": True},
        {"budget": True},
        {"finetune": {"budgets": [20, True]}},
    ],
)
def test_truths_are_no_numbers(fields: dict[str, object]):
    with pytest.raises(ConfigError, match=r"a number is needed, True and False are none \(was .*True"):
        vary(BASE, **fields)


@pytest.mark.parametrize("settings", [{"epochs": True}, {"learning_rate": False}])
def test_truths_are_no_numbers_in_settings_either(settings: dict[str, bool]):
    part = Part(name="supervised", settings=settings)
    with pytest.raises(ConfigError, match=r"(epochs|learning_rate): a number is needed, True and False are none"):
        plugins.build(trainers.Trainer, trainers.PACKAGE, part)


def test_a_setting_of_two_kinds_takes_either():
    class Either(plugins.Plugin):
        number_or_truth: bool | int = 1
        truth: bool = False

    assert Either(number_or_truth=True, truth=True).number_or_truth is True
