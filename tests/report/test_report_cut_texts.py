"""The report has a caution where an encoder read only the beginning of texts."""

import pytest

from labelbench_ray import report


@pytest.mark.parametrize("store", ["cut", "whole"])
def test_trials_of_a_store_whose_texts_are_cut_have_a_caution(experiment, store: str):
    for strategy, last in (("random", 0.6), ("margin", 0.7)):
        experiment.add(strategy, 0, [0.5, last], store=store)
    built = report.build(experiment.write(), warnings={"cut": "120 of 189 texts are cut", "other": "another store"})
    found = [caution.text for caution in built.sections[0].cautions if caution.title == "Texts are cut"]
    assert found == (["120 of 189 texts are cut."] if store == "cut" else [])
    assert ("120 of 189 texts are cut." in report.page(built)) == (store == "cut")


def test_without_warnings_there_is_none(experiment):
    experiment.add("random", 0, [0.5, 0.6])
    built = report.build(experiment.write())
    assert "Texts are cut" not in {caution.title for caution in built.sections[0].cautions}
