"""Rows that are in two splits are counted, stated, and removed from the pool where that is asked for."""

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from labelbench_ray import report
from labelbench_ray.api.plan_words import describe
from labelbench_ray.api.run_plan import note_grid
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.embeddings import overlaps as overlaps_module
from labelbench_ray.embeddings import shard_contents
from labelbench_ray.embeddings import shards as shards_module
from labelbench_ray.embeddings.origin import SOURCE, check_same_data
from labelbench_ray.embeddings.overlaps import (
    FILE,
    Overlap,
    Overlaps,
    left_out_words,
    read_overlaps,
    write_overlaps,
)
from labelbench_ray.embeddings.shards import load_shard, read_keys
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ChangedDataError, ConfigError, DataError
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan
from labelbench_ray.storage.atomic import publish
from labelbench_ray.trial import parts
from tests.full_trials import Home, make_home, make_store
from tests.test_origin import Earlier, png, text, write_folder, write_tables


def trial(**settings: object) -> Trial:
    return Trial(
        dataset=Part.of("image_folder", path="shots", **settings),
        encoder="pixels",
        strategy="random",
        trainer="logistic",
        seed=0,
        rounds=2,
        budget=5,
    )


@pytest.mark.parametrize(
    ("label", "there", "relabeled"),
    [(2.5, -1.0, 1), (-1.0, -1.0, 0), (2.5, float("nan"), 0), (2.5, 2.5, 0), (1, -1, 0), (1, 0, 1)],
)
def test_minus_one_is_an_answer_as_a_real_number_and_none_as_a_class(label: float, there: float, relabeled: int):
    row, other = (overlaps_module._Row(name, value, (b"same",)) for name, value in (("t", label), ("p", there)))
    found = overlaps_module._overlap("test", [row], "pool", [other])
    assert (found.rows, found.relabeled) == (1, relabeled)


def copies(data: Path) -> None:
    """Six test images are in the pool byte for byte, two of them under another class; one is in another file format."""
    train, test = data / "shots/train", data / "shots/test"
    for number in (0, 2, 4, 6):
        (test / f"dark/copy_{number}.png").write_bytes((train / f"dark/{number:03d}.png").read_bytes())
    for number in (8, 10):
        (test / f"light/copy_{number}.png").write_bytes((train / f"dark/{number:03d}.png").read_bytes())
    image, buffer, note = Image.open(train / "dark/012.png"), io.BytesIO(), PngInfo()
    note.add_text("Comment", "the same pixels, other bytes")
    image.save(buffer, "PNG", pnginfo=note)
    (test / "dark/copy_12.png").write_bytes(buffer.getvalue())
    # Which half of the test folder is validation is drawn: both are given here.
    (data / "shots/validation").mkdir()
    for number, name in enumerate(("dark", "light")):
        (data / "shots/validation" / name).mkdir()
        (data / "shots/validation" / name / "own.png").write_bytes(png(777 + number))
    (data / "shots/validation/light/of_test.png").write_bytes((test / "light/001.png").read_bytes())


COUNTED = (
    Overlap(split="test", other="pool", rows=7, relabeled=2),
    Overlap(split="test", other="validation", rows=1, relabeled=0),
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    write_folder(tmp_path)
    copies(tmp_path)
    return make_home(tmp_path, tmp_path / "store")


def embedded(home: Home, made: Trial) -> EmbeddingStore:
    make_store(made, home.environment.store, home.environment.data_root)
    return EmbeddingStore.open(home.environment.store / parts.build(made).embedding)


def planned(home: Home, made: Trial) -> Plan:
    return plan(Experiment("tests.grid", (made,)), home.environment)


def exact(overlaps: Overlaps | None) -> Overlaps | None:
    """Without the near-duplicates, which tests/test_near_duplicates.py is about."""
    return overlaps and overlaps.model_copy(update={"near": None})


def test_they_are_counted_when_a_store_is_made(home):
    assert "  rows that are in two splits are counted when they are embedded" in describe(planned(home, trial()))
    store = embedded(home, trial())
    assert exact(read_overlaps(store.directory, store.manifest.content)) == Overlaps(found=COUNTED, removed=0)
    assert store.manifest.count("pool") == 90
    lines = describe(planned(home, trial()))
    assert (
        "  7 test rows are also in the pool, 2 of them with another label; 1 test row is also in the validation set"
        in lines
    )


def test_none_is_stated(home, tmp_path):
    for path in (tmp_path / "shots/test").rglob("copy_*.png"):
        path.unlink()
    (tmp_path / "shots/validation/light/of_test.png").unlink()
    embedded(home, trial())
    assert "  no row is in two splits" in describe(planned(home, trial()))


def test_the_report_states_them(home):
    embedded(home, trial())
    note_grid(planned(home, trial()))
    home.run(trial())
    planned(home, trial())
    (section,) = report.build(home.folder).sections
    (caution,) = (each for each in section.cautions if each.title == "Rows are in two splits")
    assert "7 test rows are also in the pool, 2 of them with another label" in caution.text
    assert "drop_duplicates=True" in caution.text


def test_a_setting_removes_them_from_the_pool(home):
    """They are rejects with their reason, and the rest is the store as ever."""
    plain, made = embedded(home, trial()), trial(drop_duplicates=True)
    store = embedded(home, made)
    gone = {f"train/dark/{number:03d}.png" for number in (0, 2, 4, 6, 8, 10, 12)}
    assert [row_id for row_id in plain.row_ids() if row_id not in gone] == store.row_ids()
    assert store.manifest.count("pool") == len(store.arrays().pool.labels_N) == 83
    assert [store.row_ids(split) for split in ("validation", "test")] == [
        plain.row_ids(split) for split in ("validation", "test")
    ]
    rejects = {row["row_id"]: row["reason"] for row in pq.read_table(store.directory / "rejects.parquet").to_pylist()}
    assert rejects.keys() == gone
    assert rejects["train/dark/008.png"] == "has the same content as the test row 'test/light/copy_8.png'"
    assert rejects["train/dark/012.png"] == "has the same content as the test row 'test/dark/copy_12.png'"
    assert exact(read_overlaps(store.directory, store.manifest.content)) == Overlaps(found=COUNTED[1:], removed=7)
    kept = [place for place, row_id in enumerate(plain.row_ids()) if row_id not in gone]
    np.testing.assert_array_equal(store.arrays().pool.embeddings_ND, plain.arrays().pool.embeddings_ND[kept])
    for entry in store.manifest.shards:
        keys = read_keys(store.directory / entry.file)
        assert keys.row_ids == sorted(keys.row_ids)
        assert load_shard(store.directory / entry.file).rows.contents_sha256() == entry.contents


def test_a_budget_that_they_make_too_large_is_refused_by_their_number(home):
    made = trial(drop_duplicates=True)
    embedded(home, made)
    message = (
        r"the pool has 83 rows \(7 rows were removed from the pool, being in the test or validation set too "
        r"\(drop_duplicates\); see rejects\.parquet\); lower"
    )
    with pytest.raises(ConfigError, match=message):
        planned(home, vary(made, rounds=1, budget=84))


def test_each_reason_for_leaving_rows_out_is_stated_with_its_count():
    assert left_out_words(0, 0) == ""
    assert left_out_words(2, 0) == "2 rows could not be decoded; see rejects.parquet"
    assert left_out_words(9, 7) == (
        "2 rows could not be decoded and 7 rows were removed from the pool, being in the test or validation set too "
        "(drop_duplicates); see rejects.parquet"
    )


def test_a_store_without_them_notices_changes_of_all_rows(home, tmp_path):
    """A row that was removed is part of the data set, too."""
    made = trial(drop_duplicates=True)
    store = embedded(home, made)
    (store.directory / SOURCE).unlink()
    check_same_data(store, parts.build(made).dataset.open(tmp_path))
    (tmp_path / "shots/train/dark/008.png").write_bytes(png(999))
    with pytest.raises(ChangedDataError, match=r"1 row with other content \('train/dark/008.png'\)"):
        check_same_data(store, parts.build(made).dataset.open(tmp_path))


def test_the_setting_is_part_of_the_fingerprint_only_where_it_is_on():
    plain, off, on = (
        parts.build(each) for each in (trial(), trial(drop_duplicates=False), trial(drop_duplicates=True))
    )
    assert plain.fingerprint == off.fingerprint
    assert plain.embedding == off.embedding
    assert on.embedding != plain.embedding
    assert "drop_duplicates" not in plain.dataset.model_dump()


def test_a_pool_that_is_all_in_the_test_set_is_refused(home, tmp_path):
    for path in (tmp_path / "shots/train").rglob("*.png"):
        (tmp_path / "shots/test" / path.parent.name / f"again_{path.name}").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="every row of the pool is in the test or the validation set too"):
        embedded(home, trial(drop_duplicates=True))


def test_texts_are_the_same_whatever_their_case_and_spacing(tmp_path):
    """And only then: embeddings of texts may be equal where texts differ, as those of this encoder."""
    held = {"train": ["time flies", "an arrow", "like an"], "test": ["Time  flies", "an arrow\n", "like an"]}
    write_tables(
        tmp_path,
        "texts",
        text=lambda split, number: held[split][number] if number < 3 else f"{split} {text(number)}",
        label=lambda split, number: number % 2 if split == "train" else 0,
    )
    made = Trial(
        dataset=Part.of("parquet", path="texts", payload="text"),
        encoder="tests.word_counts",
        strategy="random",
        seed=0,
        rounds=1,
        budget=2,
    )
    make_store(made, tmp_path / "store", tmp_path)
    store = EmbeddingStore.open(tmp_path / "store" / parts.build(made).embedding)
    overlaps = read_overlaps(store.directory, store.manifest.content)
    assert sum(each.rows for each in overlaps.found) == 3
    assert sum(each.relabeled for each in overlaps.found) == 1
    assert {each.other for each in overlaps.found} == {"pool"}


def test_those_of_a_store_of_an_earlier_version_are_counted_by_a_plan(tmp_path):
    earlier = Earlier(tmp_path, Part.of("image_folder", path="shots"))
    made = earlier.built.trial
    home = make_home(tmp_path, tmp_path / "embedded")
    (tmp_path / "inputs/shots").rename(tmp_path / "shots")
    (store,) = planned(home, made).stores
    assert exact(store.overlaps) == Overlaps()
    assert exact(read_overlaps(earlier.store.directory, earlier.store.manifest.content)) == Overlaps()
    (earlier.store.directory / FILE).write_bytes(b"{}")
    (store,) = planned(home, made).stores
    assert exact(store.overlaps) == Overlaps()


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The shards that were read, by any of the ways that there are."""
    read: list[Path] = []
    for module in (overlaps_module, shard_contents, shards_module):
        for name in ("load_shard", "shard_content", "read_contents"):
            if hasattr(module, name):
                original = getattr(module, name)
                spy = lambda *given, original=original: (read.append(given[0]), original(*given))[1]  # noqa: E731
                monkeypatch.setattr(module, name, spy)
    return read


def test_a_second_command_reads_no_shard(home, counts):
    """A finished store states its overlaps, and the content that they are of."""
    store = embedded(home, trial())
    assert counts
    counts.clear()
    assert exact(planned(home, trial()).stores[0].overlaps) == Overlaps(found=COUNTED)
    assert not counts
    write_overlaps(store.directory, Overlaps(), "another content")
    assert exact(planned(home, trial()).stores[0].overlaps) == Overlaps(found=COUNTED)
    assert counts


def test_those_of_a_read_only_store_are_counted_once(home, counts, monkeypatch, tmp_path):
    store = embedded(home, trial())
    monkeypatch.setenv("LABELBENCH_CACHE", str(tmp_path / "cache"))
    (store.directory / FILE).unlink()

    def refused(path: Path, data: bytes) -> None:
        if path.is_relative_to(home.environment.store):
            raise PermissionError(path)
        publish(path, data)

    monkeypatch.setattr(overlaps_module, "publish", refused)
    for reads in (True, False):
        counts.clear()
        assert exact(planned(home, trial()).stores[0].overlaps) == Overlaps(found=COUNTED)
        assert bool(counts) is reads
