"""Fingerprints name results: what changes the numbers changes them, and nothing else does."""

import pytest

from labelbench_ray.config import FineTune, Part, Trial, vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.trial import parts
from tests.samples import write_module

BASE = Trial(
    dataset=Part(name="digits"), encoder=Part(name="pixels"), strategy=Part(name="random"), seed=0, rounds=8, budget=25
)
FINGERPRINT = "d935dd279541eeee"
EMBEDDING = "c408d13f81ba2099"


def fingerprint(**fields: object) -> str:
    return parts.build(vary(BASE, **fields)).fingerprint


def test_the_fingerprint_stays_what_it_is():
    """A change here orphans every ledger and store that users have; raise a plug-in's version to mean that."""
    built = parts.build(BASE)
    assert (built.fingerprint, built.embedding) == (FINGERPRINT, EMBEDDING)


@pytest.mark.parametrize("field", [{"rounds": 9}, {"finetune": FineTune()}])
def test_more_rounds_and_a_fine_tune_are_the_same_trial(field: dict):
    base = vary(BASE, encoder="efficientnet_lite0")
    assert parts.build(vary(base, **field)).fingerprint == parts.build(base).fingerprint


CHANGES = {
    "dataset": Part.of("digits", max_rows=100),
    "encoder": Part.of("pixels", size=4),
    "strategy": "margin",
    "seed": 1,
    "budget": 26,
    "proxy": "shallow",
    "trainer": "logistic",
    "corrupter": "uniform_noise",
}


@pytest.mark.parametrize("field", CHANGES)
def test_every_other_field_makes_another_trial(field: str):
    assert fingerprint(**{field: CHANGES[field]}) != fingerprint()


def test_the_first_batch_s_strategy_makes_another_trial(tmp_path, monkeypatch):
    path = write_module(tmp_path, "first", COLD.format(version=1), monkeypatch)
    assert fingerprint(first_batch=path) != fingerprint()


def test_every_field_is_covered_here():
    assert set(CHANGES) | {"rounds", "first_batch", "finetune", "oracle"} == set(Trial.model_fields)


@pytest.mark.parametrize(
    ("field", "implicit", "explicit"),
    [
        ("trainer", "supervised", Part.of("supervised", epochs=30, mixup=0.2)),
        ("dataset", "digits", Part.of("digits", max_rows=None)),
        ("corrupter", "uniform_noise", Part.of("uniform_noise", fraction=0.1, seed=None)),
        ("encoder", "pixels", Part.of("pixels", size=8.0)),
    ],
)
def test_a_default_that_is_spelt_out_is_the_same_trial(field: str, implicit: str, explicit: Part):
    assert fingerprint(**{field: implicit}) == fingerprint(**{field: explicit})


@pytest.mark.parametrize(
    ("field", "value"), [("dataset", Part.of("digits", max_rows=100)), ("encoder", Part.of("pixels", size=4))]
)
def test_another_data_set_or_encoder_reads_another_store(field: str, value: Part):
    assert parts.build(vary(BASE, **{field: value})).embedding != parts.build(BASE).embedding


def test_trials_that_differ_in_the_rest_share_a_store():
    other = vary(BASE, strategy="margin", seed=3, budget=7, trainer="logistic", corrupter="uniform_noise")
    assert parts.build(other).embedding == parts.build(BASE).embedding


COLD = """
import numpy as np
from labelbench_ray.strategies import RowStrategy

class Cold(RowStrategy):
    version = {version}
    cold_start = True

    def score(self, block):
        return np.zeros(len(block.ids_B))
"""


def test_a_plug_in_s_version_makes_another_trial(tmp_path, monkeypatch):
    names = []
    for version in (1, 2):
        path = write_module(tmp_path, "versioned", COLD.format(version=version), monkeypatch)
        names.append(fingerprint(strategy=path))
        (tmp_path / "user_versioned" / "part.py").unlink()
    assert names[0] != names[1]


@pytest.mark.parametrize("name", ["partition", "power"])
def test_a_version_of_an_inner_plug_in_makes_another_trial(name: str, tmp_path, monkeypatch):
    names = []
    for version in (1, 2):
        path = write_module(tmp_path, "within", COLD.format(version=version), monkeypatch)
        nested = Part.of("subsample", strategy=path) if name == "partition" else path
        names.append(fingerprint(strategy=Part.of(name, strategy=nested)))
        (tmp_path / "user_within" / "part.py").unlink()
    assert names[0] != names[1]


@pytest.mark.parametrize(
    "explicit",
    [
        Part.of("partition", strategy="power"),
        Part.of("partition", strategy={"name": "power", "settings": {"coldness": 1}}, parts=10),
        Part.of("partition", strategy=Part.of("power", strategy=Part.of("margin"))),
    ],
    ids=str,
)
def test_an_inner_default_that_is_spelt_out_is_the_same_trial(explicit: Part):
    assert fingerprint(strategy=explicit) == fingerprint(strategy=Part.of("partition", strategy=Part.of("power")))


def test_an_inner_setting_makes_another_trial():
    one, other = (Part.of("partition", strategy=Part.of("power", coldness=coldness)) for coldness in (1, 2))
    assert fingerprint(strategy=one) != fingerprint(strategy=other)


def test_a_wrapper_chooses_the_first_batch_if_its_inner_strategy_can():
    assert fingerprint(first_batch=Part.of("partition", strategy="random")) != fingerprint()
    with pytest.raises(ConfigError, match=r"first_batch: partition .*use 'random'"):
        fingerprint(first_batch="partition")


def test_a_first_batch_that_needs_a_proxy_is_refused():
    with pytest.raises(ConfigError, match=r"first_batch: margin .*use 'random'"):
        fingerprint(first_batch="margin")


def test_a_trainer_that_cannot_fit_the_proxy_is_refused_when_the_parts_are_built():
    with pytest.raises(ConfigError, match="logistic fits the proxy 'linear' only, not 'shallow'"):
        fingerprint(trainer="logistic", proxy="shallow")


FULL = {"encoder": "efficientnet_lite0", "proxy": "full_model"}


@pytest.mark.parametrize("fields", [FULL, {"encoder": "efficientnet_lite0"}], ids=["every round", "fine-tune"])
def test_a_user_s_trainer_that_fits_light_proxies_only_is_refused_for_full_models(fields, tmp_path, monkeypatch):
    text = (
        "from labelbench_ray.trainers import Trainer\nclass Mine(Trainer):\n    def fit(self, proxy, data, seed): ...\n"
    )
    mine = write_module(tmp_path, "mine", text, monkeypatch)
    own = {"trainer": mine} if "proxy" in fields else {"finetune": FineTune(trainer=Part(name=mine))}
    with pytest.raises(ConfigError, match=r"trainer user_mine.part: does not train by gradient descent.*'supervised'"):
        fingerprint(**fields, **own)


@pytest.mark.parametrize("trainer", ["flexmatch", "warm_start"])
def test_augmentations_that_a_full_model_would_not_see_are_refused(trainer: str):
    unseen = Part.of("flexmatch", views=2, augmentation="images")
    unseen, seen = (
        each if trainer == "flexmatch" else Part.of(trainer, trainer=each) for each in (unseen, Part.of("flexmatch"))
    )
    with pytest.raises(ConfigError, match="augmentation and views of Flexmatch would be ignored"):
        fingerprint(**FULL, trainer=unseen)
    with pytest.raises(ConfigError, match="would be ignored"):
        fingerprint(encoder="efficientnet_lite0", finetune=FineTune(trainer=unseen))
    fingerprint(**FULL, trainer=seen)
    fingerprint(trainer=unseen)


@pytest.mark.parametrize("trainer", ["supervised", "experience_replay"])
def test_cutmix_of_embeddings_is_refused(trainer: str):
    with pytest.raises(ConfigError, match=r"cutmix=0.5 .* Linear is fitted to embeddings.*use `mixup`"):
        fingerprint(trainer=Part.of(trainer, cutmix=0.5))
    fingerprint(**FULL, trainer=Part.of(trainer, cutmix=0.5))


def wanting(augmentation: str | Part) -> Part:
    return Part.of("tests.augmentations.wanting", augmentation=augmentation)


def test_an_augmentation_of_other_payloads_than_the_encoder_s_is_refused_with_one_that_fits():
    with pytest.raises(
        ConfigError, match=r"'words' changes texts, the encoder pixels embeds images.*augmentation=\"images\""
    ):
        fingerprint(trainer=wanting("words"))
    with pytest.raises(ConfigError, match=r"'images' changes images, the encoder .* texts.*augmentation=\"words\""):
        fingerprint(trainer=wanting("images"), dataset="banking77", encoder="sentence")
    fingerprint(trainer=wanting("words"), dataset="banking77", encoder="sentence")


def test_an_augmentation_s_settings_make_another_trial_but_read_the_same_store():
    one, other = wanting("images"), wanting(Part.of("images", flip=False))
    assert fingerprint(trainer=one) == fingerprint(trainer=wanting(Part.of("images", flip=True)))
    assert fingerprint(trainer=one) != fingerprint(trainer=other)
    assert parts.build(vary(BASE, trainer=other)).embedding == EMBEDDING
