"""A modality is one value: it equals its name, and states how payloads of its kind are handled."""

import copy

import numpy as np
import pytest

from labelbench_ray import plugins
from labelbench_ray.config import Trial, vary
from labelbench_ray.datasets import PACKAGE as DATASETS
from labelbench_ray.datasets import Dataset, Modality
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part
from labelbench_ray.trial.parts import build

BASE = Trial(
    dataset="banking77",
    encoder=Part.of("numbers", columns=3),
    strategy="margin",
    proxy="linear",
    trainer="supervised",
    rounds=2,
    budget=10,
    seed=0,
)


@pytest.mark.parametrize("modality", Modality)
def test_it_equals_its_name_wherever_a_name_is_stated(modality):
    assert modality == str(modality) == f"{modality}"
    assert Modality.of(str(modality)) is modality
    assert copy.deepcopy(modality) is modality
    assert repr(modality) == repr(str(modality))


@pytest.mark.parametrize("modality", Modality)
def test_what_encoders_decode_to(modality):
    array = np.zeros((2, 3), modality.traits.decoded)
    is_text = modality.traits.decoded is None
    assert modality.is_decoded("words") == is_text
    assert modality.is_decoded(array) == (not is_text)
    assert not modality.is_decoded(array.astype(np.int64))
    assert not modality.is_decoded(None)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"encoder own: no modality called 'imag'; did you mean 'image'\?"):
        Modality.of("imag", "encoder own")


def test_a_setting_states_the_name_and_the_recipe_keeps_it():
    built = plugins.build(Dataset, DATASETS, Part.of("parquet", path="here", payload="text"))
    assert built.modality() is Modality.TEXT
    assert plugins.recipe("parquet", built)["settings"]["payload"] == "text"


def test_an_encoder_of_another_modality_is_refused_in_words():
    with pytest.raises(ConfigError, match="embeds images, the data set banking77 holds texts; choose an encoder"):
        build(vary(BASE, encoder="pixels"))


def test_views_of_another_modality_are_refused_with_one_that_fits():
    trainer = Part.of("fixmatch", augmentation="images")
    with pytest.raises(ConfigError, match=r'changes images, the encoder .* embeds texts; .* augmentation="words"'):
        build(vary(BASE, trainer=trainer))


@pytest.mark.parametrize("name", ["parquet", "tables"])
def test_one_column_holds_no_rows_of_a_table(name: str):
    with pytest.raises(ConfigError, match="a row of a table has several columns; use the data set 'tabular'"):
        plugins.build(Dataset, DATASETS, Part.of(name, path="here", payload="table"))
