"""`hf://owner/name`: one revision, pinned, downloaded once, read again without the Hub. The Hub is one on loopback."""

import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.datasets import Dataset
from labelbench_ray.datasets.recognition import Stated, recognized
from labelbench_ray.datasets.tables import Tables
from labelbench_ray.errors import ConfigError, NotProvidedError, UserError
from labelbench_ray.planning.data_words import describe_source
from tests.datasets.hub_server import REPOSITORY, Hub, serving
from tests.datasets.row_samples import features, parquet

URI = f"hf://{REPOSITORY}"
NAMES = features(label={"_type": "ClassLabel", "names": ["no", "yes"]})


def rows(count, text="t"):
    return parquet({"text": [f"{text} {n}" for n in range(count)], "label": [n % 2 for n in range(count)]}, NAMES)


FILES = {
    "README.md": b"---\nconfigs:\n- config_name: en\n  data_files: [{split: train, path: en/train-*}]\n"
    b"- config_name: de\n  data_files: [{split: train, path: de/train-*}, {split: test, path: de/test-*}]\n---\n",
    "en/train-00000-of-00001.parquet": rows(20),
    "de/train-00000-of-00001.parquet": rows(30),
    "de/test-00000-of-00001.parquet": rows(10),
    "weights.bin": b"w" * 100,
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving(Hub()) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


def opened(root, path=URI, **settings):
    return Tables(path=path, payload="text", **settings).open(root)


def test_only_the_files_of_the_configuration_are_downloaded_and_only_once(hub, tmp_path):
    commit = hub.commit(FILES)
    source = opened(tmp_path, config="de")
    assert sorted(hub.downloads()) == [
        "README.md",
        "test-00000-of-00001.parquet",
        "train-00000-of-00001.parquet",
    ]
    assert source.classes == ("no", "yes")
    assert {split: len(each) for split, each in source.splits.items()} == {"pool": 26, "validation": 4, "test": 10}
    assert source.splits["pool"].read(0, 1).payloads[0].startswith("t ")
    assert f"the Hub's data set {REPOSITORY}, revision {commit} (main)" in describe_source(source)
    hub.asked.clear()
    assert opened(tmp_path, f"{URI}/de").signature == source.signature
    assert hub.downloads() == []


def test_a_pinned_revision_is_read_again_without_the_hub(hub, tmp_path):
    commit = hub.commit({"train.parquet": rows(20)})
    first = opened(tmp_path, f"{URI}@{commit}")
    hub.asked.clear()
    again = opened(tmp_path, f"{URI}@{commit}")
    assert hub.asked == []
    assert again.signature == first.signature


def test_what_is_recognized_is_pinned_and_a_later_commit_does_not_change_it(hub, tmp_path):
    commit = hub.commit({"train.parquet": rows(20)})
    part = recognized(tmp_path, URI, Stated()).dataset
    assert part.settings == {"path": f"{URI}@{commit}", "payload": "text"}
    pinned = plugins.build(Dataset, datasets.PACKAGE, part)
    before = pinned.open(tmp_path).signature
    moved = opened(tmp_path).signature
    assert moved == before
    hub.commit({"train.parquet": rows(20, "u")})  # as long as before
    assert pinned.open(tmp_path).signature == before
    assert opened(tmp_path).signature != before


def test_without_the_hub_the_revision_in_the_cache_is_read(hub, tmp_path, monkeypatch):
    hub.commit({"train.parquet": rows(20)})
    first = opened(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert opened(tmp_path).signature == first.signature
    with pytest.raises(NotProvidedError, match=r"hf://team/other@main is not complete in the Hub's cache, and the Hub"):
        opened(tmp_path, "hf://team/other")


@pytest.mark.parametrize(
    ("path", "error", "states"),
    [
        (f"{URI}@v2", NotProvidedError, r"hf://team/reviews@v2: the data set has no such revision; check it"),
        ("hf://team/other", NotProvidedError, r"hf://team/other@main: the Hub has no such data set, or it is private"),
        ("hf://reviews", ConfigError, r"'hf://reviews': not a data set of the Hub; give hf://owner/name"),
        (
            URI,
            UserError,
            r"README\.md: 2 configurations \(en, de\); name one, as in config=\"en\" or hf://owner/name/en",
        ),
        (f"{URI}/fr", UserError, r"README\.md: no configuration called 'fr' \(have: de, en\)"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(hub, tmp_path, path, error, states):
    hub.commit(FILES)
    with pytest.raises(error, match=states) as caught:
        opened(tmp_path, path)
    assert "\n" not in str(caught.value)


def test_a_branch_of_parquet_files_is_an_address_too(hub, tmp_path):
    hub.commit({"loader.py": b"raise SystemExit"})
    hub.commit({"default/train/0000.parquet": rows(20)}, "refs/convert/parquet")
    assert len(opened(tmp_path, f"{URI}@refs/convert/parquet").splits["pool"]) == 14
    with pytest.raises(UserError, match=r"found \.py \(1 file\); what is read: files of rows"):
        recognized(tmp_path, URI, Stated())
