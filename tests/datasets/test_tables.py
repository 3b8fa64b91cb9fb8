"""`tables`: text stays text, roles and classes from metadata, held-out rows by a keyed hash, paths in rows."""

import json
from collections import Counter

import numpy as np
import pytest

from labelbench_ray import plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets import UNLABELED
from labelbench_ray.datasets._held_out import held_out_parts
from labelbench_ray.datasets.image_folder import ImageFolder
from labelbench_ray.datasets.recognition import Stated, recognized
from labelbench_ray.datasets.tables import Tables
from labelbench_ray.encoders.spectra import Spectra
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.planning.data_words import describe_source
from tests.datasets.row_samples import PNG, arrow, features, parquet, png, wav
from tests.datasets.test_found_folders import ids, sizes

CAT_DOG = features(image={"_type": "Image"}, kind={"_type": "ClassLabel", "names": ["cat", "dog"]})


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def texts(**settings):
    return Tables(path="in", payload="text", **settings)


def images(**settings):
    return Tables(path="in", payload="image", **settings)


def every(source, split="pool"):
    return source.splits[split].read(0, len(source.splits[split]))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_cell_of_a_csv_stays_as_it_is_written(tmp_path, mark, separator, ending):
    cells = ["00012", "NA", "True", "1e5", "null", "-1", "2020-01-01", "0x1F", "1,5" if separator != "," else "1.50"]
    lines = [("id", "text", "label"), *((f"{cell}", f"text {cell}", cell) for cell in cells)]
    write(tmp_path / "in/train.csv", mark + ending.join(separator.join(line) for line in lines).encode())
    write(tmp_path / "in/test.csv", ending.join(separator.join(line) for line in lines).encode())
    source = texts(validation="test.csv").open(tmp_path)
    pool = every(source)
    assert pool.row_ids == cells
    assert [source.classes[label] for label in pool.labels_B] == cells
    assert pool.payloads == [f"text {cell}" for cell in cells]


def test_a_cell_may_have_several_lines_and_quotes_and_an_empty_one_has_no_label(tmp_path):
    write(tmp_path / "in.csv", 'id,text,label\n1,"a\n""b"", c",x\n2,b,\n3,c,y\n')
    source = Tables(path="in.csv", payload="text").open(tmp_path)
    pool = every(source)
    assert pool.payloads[0] == 'a\n"b", c'
    assert pool.labels_B.tolist() == [0, UNLABELED, 1]
    assert len(source.splits["test"]) == 0


def test_numbers_and_truths_of_json_lines_stay_as_they_are_written(tmp_path):
    for row_id, label in [("00012", "1e5"), ("7", "1.50")]:
        with (tmp_path / "train.jsonl").open("a") as file:
            file.write(f'{{"id": "{row_id}", "text": "t", "label": {label}, "more": {{"a": 1}}}}\n\n')
    source = Tables(path="train.jsonl", payload="text", test="train.jsonl").load(tmp_path)
    assert source.classes == ("1.50", "1e5")
    assert every(source, "test").row_ids == ["00012", "7"]


def test_rows_of_any_order_are_read_from_several_files(tmp_path):
    for number in range(3):
        lines = "".join(f"{number}-{row},text {number} {row},{'xy'[row % 2]}\n" for row in range(5))
        write(tmp_path / f"in/train-{number}.csv", f"id,text,label\n{lines}")
    table = next(iter(texts().open(tmp_path).tables().values()))
    rows = np.array([14, 0, 7, 7, 3, 9])
    assert table.read(rows).row_ids == [f"{row // 5}-{row % 5}" for row in rows]
    assert table.read(rows).payloads == [f"text {row // 5} {row % 5}" for row in rows]


def test_rows_of_any_order_are_read_from_several_batches(tmp_path):
    rows = {"id": [f"r{n}" for n in range(30)], "text": [f"t {n}" for n in range(30)], "label": [0, 1] * 15}
    write(tmp_path / "in/train.arrow", arrow(rows, rows=4))
    table = next(iter(texts().open(tmp_path).tables().values()))
    wanted = np.array([29, 0, 7, 7, 3, 12, 11])
    assert table.read(wanted).payloads == [f"t {n}" for n in wanted]
    assert table.read(np.arange(5, 9)).row_ids == ["r5", "r6", "r7", "r8"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_classes_and_columns_are_those_of_the_metadata(tmp_path, suffix):
    rows = {
        "image": [{"bytes": png(seed), "path": None} for seed in range(6)],
        "kind": [0, 1, 0, 1, -1, None],
        "note": ["n"] * 6,
    }
    made = {"parquet": parquet, "arrow": arrow}[suffix](rows, CAT_DOG)
    write(tmp_path / f"in/data/train-00000-of-00001.{suffix}", made)
    source = images().open(tmp_path)
    assert source.classes == ("cat", "dog")
    pool = every(source)
    assert pool.labels_B.tolist() == [0, 1, 0, 1, UNLABELED, UNLABELED]
    assert pool.payloads == [png(seed) for seed in range(6)]
    assert "labels: column 'kind' (classes by the metadata)" in describe_source(source)


@pytest.mark.parametrize("kind", [{"_type": "List"}, {"_type": "Sequence", "length": -1}, None])
def test_a_list_of_classes_is_several_labels_a_row(tmp_path, kind):
    entry = {"_type": "ClassLabel", "names": ["a", "b", "c"]}
    feature = [entry] if kind is None else kind | {"feature": entry}
    rows = {"text": ["t", "u", "v"], "tags": [[0, 2], [], None]}
    write(tmp_path / "in/train.parquet", parquet(rows, features(tags=feature)))
    source = texts(label_list="tags", test="train.parquet", validation="train.parquet").open(tmp_path)
    assert source.classes == ("a", "b", "c")
    assert every(source).labels_B.tolist() == [[1, 0, 1], [0, 0, 0], [-1, -1, -1]]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "jsonl"])
def test_unknown_entries_stand_in_a_second_column(tmp_path, suffix):
    rows = {"text": ["t", "u", "v"], "tags": [["a", "c"], [], None], "hard": [["b"], ["a", "c"], []]}
    if suffix == "jsonl":
        each = [dict(zip(rows, cells, strict=True)) for cells in zip(*rows.values(), strict=True)]
        data = "".join(json.dumps(row) + "\n" for row in each)
    else:
        data = (parquet if suffix == "parquet" else arrow)(rows)
    write(tmp_path / f"in/train.{suffix}", data)
    held_out = f"train.{suffix}"
    source = texts(label_list="tags", unknown_list="hard", test=held_out, validation=held_out).open(tmp_path)
    assert source.classes == ("a", "b", "c")
    assert every(source).labels_B.tolist() == [[1, -1, 1], [-1, 0, -1], [-1, -1, -1]]
    with pytest.raises(DataError, match=rf"train\.{suffix}: no column called 'hards'; did you mean 'hard'"):
        texts(label_list="tags", unknown_list="hards").open(tmp_path)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_struct_without_bytes_is_read_by_its_path(tmp_path, suffix):
    rows = {
        "image": [{"bytes": None, "path": "shots/a.png"}, {"bytes": png(1), "path": "lost.png"}],
        "kind": [0, 1],
    }
    write(tmp_path / f"in/train.{suffix}", {"parquet": parquet, "arrow": arrow}[suffix](rows, CAT_DOG))
    write(tmp_path / "in/shots/a.png", PNG)
    source = images(test=f"train.{suffix}", validation=f"train.{suffix}").open(tmp_path)
    assert every(source).payloads == [PNG, png(1)]
    signature = source.signature
    write(tmp_path / "in/shots/a.png", PNG + b"more")
    assert images(test=f"train.{suffix}", validation=f"train.{suffix}").open(tmp_path).signature != signature


def test_what_datasets_saves_is_read(tmp_path):
    hub = pytest.importorskip("datasets")
    kinds = hub.Features({"text": hub.Value("string"), "label": hub.ClassLabel(names=["no", "yes"])})
    made = hub.Dataset.from_dict({"text": [f"t {n}" for n in range(10)], "label": [n % 2 for n in range(10)]}, kinds)
    hub.DatasetDict({"train": made, "dev": made.select(range(4)), "test": made}).save_to_disk(tmp_path / "in")
    source = texts().open(tmp_path)
    assert sizes(source) == {"pool": 10, "validation": 4, "test": 10}
    assert source.classes == ("no", "yes")
    assert every(source).payloads == [f"t {n}" for n in range(10)]
    assert source.findings.ignored == ()
    made.save_to_disk(tmp_path / "one")
    assert sizes(Tables(path="one", payload="text").open(tmp_path)) == {"pool": 6, "validation": 2, "test": 2}


def test_the_readme_states_the_files(tmp_path):
    head = "---\nlicense: mit\nconfigs:\n- config_name: all\n  data_files:\n  - {split: train, path: raw/part-*.csv}\n"
    write(tmp_path / "in/README.md", f"{head}  - {{split: test, path: held/out.csv}}\n---\n# Data\n")
    for name, count in (("raw/part-0", 6), ("raw/part-1", 6), ("held/out", 4), ("train", 3)):
        lines = "".join(f"{name}{row},t,{'xy'[row % 2]}\n" for row in range(count))
        write(tmp_path / f"in/{name}.csv", f"id,text,label\n{lines}")
    source = texts().open(tmp_path)
    assert sizes(source) == {"pool": 10, "validation": 2, "test": 4}
    assert "ignored (beside the splits, name it in a setting to read it): .csv (1 file)" in describe_source(source)


def test_a_folder_of_images_with_a_csv_of_labels(tmp_path):
    names = [f"{'sub/' * (number % 3)}{number}.png" for number in range(12)]
    for number, name in enumerate([*names, "other.png"]):
        write(tmp_path / "in" / name, png(number))
    write(tmp_path / "in/labels.csv", "path,label\n" + "".join(f"{name},{len(name) % 2}\n" for name in names))
    source = images().open(tmp_path)
    assert sum(sizes(source).values()) == 12
    assert set(ids(source)) == set(names)
    pool = every(source)
    assert pool.payloads == [png(names.index(row_id)) for row_id in pool.row_ids]
    lines = describe_source(source)
    assert "12 files are read by the paths in column 'path'" in lines
    assert "ignored (named by no row): .png (1 file)" in lines


def test_sounds_by_their_paths_and_in_structs(tmp_path):
    for number in range(6):
        write(tmp_path / f"in/clips/{number}.wav", wav(number))
    write(tmp_path / "in/list.csv", "path,label\n" + "".join(f"clips/{n}.wav,{'xy'[n % 2]}\n" for n in range(6)))
    structs = [{"bytes": wav(number), "path": None} for number in range(6)]
    stated = features(sound={"_type": "Audio"}, label={"_type": "ClassLabel", "names": ["x", "y"]})
    write(tmp_path / "on/train.parquet", parquet({"sound": structs, "label": [0, 1] * 3}, stated))
    for path in ("in", "on"):
        assert recognized(tmp_path, path, Stated()).dataset == Part.of("tables", path=path, payload="audio")
        source = Tables(path=path, payload="audio").open(tmp_path)
        assert sum(len(split) for split in source.splits.values()) == 6
        pool = every(source)
        assert set(pool.payloads) < {wav(number) for number in range(6)}
        Spectra().decode(pool.payloads[0])


def test_a_test_split_without_labels_is_not_used(tmp_path):
    write(tmp_path / "in/train.parquet", parquet({"text": ["t"] * 20, "label": [0, 1] * 10}))
    write(tmp_path / "in/test.parquet", parquet({"text": ["t"] * 5, "label": [-1] * 5}))
    source = texts().open(tmp_path)
    assert sizes(source) == {"pool": 14, "validation": 2, "test": 4}
    assert "test: 5 rows without labels, not used" in describe_source(source)


def test_numbers_to_predict_are_read_from_text(tmp_path):
    write(tmp_path / "in/train.csv", "id,text,price\n" + "".join(f"{n},t,{n}.5\n" for n in range(10)))
    source = texts(label_value="price").open(tmp_path)
    pool = every(source)
    assert pool.labels_B.tolist() == [int(row_id) + 0.5 for row_id in pool.row_ids]


def test_further_evaluation_splits_with_groups(tmp_path):
    for name, count in (("train", 20), ("test", 10), ("far", 6), ("unsupervised", 4)):
        lines = "".join(f"{name}{row},t,{'xy'[row % 2]},{'ab'[row % 3 == 0]}\n" for row in range(count))
        write(tmp_path / f"in/{name}.csv", f"id,text,label,site\n{lines}")
    source = texts(splits={"far": "far.csv"}, group="site").open(tmp_path)
    assert sizes(source) == {"pool": 18, "validation": 2, "test": 10}
    assert len(source.splits["far"]) == 6
    assert source.splits["far"].groups.names == ("a", "b")
    assert source.splits["validation"].groups is not None
    assert source.splits["pool"].groups is None
    assert {"splits", "group"}.isdisjoint(plugins.recipe("tables", texts())["settings"])  # type: ignore[arg-type]


FACTS = {"tokens": [str(7 * row) for row in range(20)], "urgent": [str(row % 3 == 0) for row in range(20)]}


def with_facts(path, suffix, **changed):
    """Rows with facts as text (CSV), as JSON's numbers and truths, or in typed columns."""
    columns = {
        "id": [f"r{row:02}" for row in range(20)],
        "sms": ["t"] * 20,
        "label": ["x", "y"] * 10,
        **FACTS,
        **changed,
    }
    if suffix == "csv":
        lines = [",".join(cells) for cells in zip(*columns.values(), strict=True)]
        write(path / "in/train.csv", "\n".join([",".join(columns), *lines]) + "\n")
        return
    typed = columns | {"tokens": [int(each) for each in columns["tokens"]]}
    typed |= {"urgent": [each == "True" for each in columns["urgent"]]}
    if suffix == "jsonl":
        rows = [dict(zip(typed, cells, strict=True)) for cells in zip(*typed.values(), strict=True)]
        write(path / "in/train.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    else:
        write(path / f"in/train.{suffix}", (parquet if suffix == "parquet" else arrow)(typed))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "arrow"])
def test_the_pool_has_the_facts_of_its_rows_whatever_the_format(tmp_path, suffix):
    with_facts(tmp_path, suffix)
    source = texts(facts=["tokens", "urgent"]).open(tmp_path)  # the text column `sms` is the only one that is left
    pool = source.splits["pool"]
    rows = [int(row_id[1:]) for row_id in every(source).row_ids]
    assert len(rows) == 14
    assert pool.facts["tokens"].tolist() == [7.0 * row for row in rows]
    assert pool.facts["urgent"].tolist() == [float(row % 3 == 0) for row in rows]
    assert not source.splits["test"].facts


@pytest.mark.parametrize(
    ("value", "states"),
    [
        ("", "no number; a fact must be a finite number in every row"),
        ("many", "'many'; a fact must be a finite number"),
        ("1_000", "'1_000'; a fact"),
        ("nan", "'nan'; a fact"),
        ("-inf", "'-inf'; a fact"),
        ("9007199254740993", "'9007199254740993'; a fact"),
    ],
)
def test_what_is_not_a_fact_is_refused_with_its_row(tmp_path, value, states):
    with_facts(tmp_path, "csv", tokens=[*FACTS["tokens"][:5], value, *FACTS["tokens"][6:]])
    with pytest.raises(DataError, match=rf"train\.csv, column 'tokens', row 5: {states}"):
        texts(column="sms", facts=["tokens"]).open(tmp_path)


def test_labels_cannot_be_facts(tmp_path):
    with_facts(tmp_path, "csv")
    with pytest.raises(DataError, match=r"train\.csv: facts: 'label' is a column of labels, which no strategy may see"):
        texts(column="sms", facts=["label"]).open(tmp_path)
    with pytest.raises(ConfigError, match="facts: 'kind' is a column of labels"):
        plugins.build(
            Tables, "labelbench_ray.datasets", Part.of("tables", path="a", payload="text", label="kind", facts=["kind"])
        )


def test_the_settings_that_are_new_leave_recipes_alone():
    settings = plugins.recipe("tables", texts())["settings"]
    assert isinstance(settings, dict)
    assert {"facts", "unknown_list"}.isdisjoint(settings)
    assert {"label_list", "label_value", "classes"} <= settings.keys()


def test_other_splits_of_a_readme_are_not_used_unless_they_are_named(tmp_path):
    head = "---\nconfigs:\n- {config_name: all, data_files: {train: a.csv, extra: b.csv}}\n---\n"
    write(tmp_path / "in/README.md", head)
    for name in "ab":
        lines = "".join(f"{name}{row},t,{'xy'[row % 2]}\n" for row in range(20))
        write(tmp_path / f"in/{name}.csv", f"id,text,label\n{lines}")
    note = "the split 'extra' is not used; name its files in `splits` to measure on it"
    assert note in describe_source(texts().open(tmp_path))
    named = texts(splits={"extra": "b.csv"}).open(tmp_path)
    assert len(named.splits["extra"]) == 20
    assert note not in describe_source(named)


# Held-out rows


def test_each_class_keeps_its_shares_and_every_part_has_each_class():
    labels_N = np.repeat([0, 1, 2, 3, 4], [1000, 30, 3, 2, 1])
    parts_N = held_out_parts([f"row {n}" for n in range(len(labels_N))], labels_N, (0.2, 0.1))
    counts = {label: Counter(parts_N[labels_N == label].tolist()) for label in range(5)}
    assert counts[0] == {0: 200, 1: 100, -1: 700}
    assert counts[1] == {0: 6, 1: 3, -1: 21}
    assert counts[2] == {0: 1, 1: 1, -1: 1}
    assert counts[3] == {0: 1, -1: 1}
    assert counts[4] == {-1: 1}


def test_rows_of_many_small_classes_are_split_off_together():
    parts_N = held_out_parts([f"row {n}" for n in range(10)], np.arange(10) // 2, (0.2, 0.1))
    assert Counter(parts_N.tolist()) == {0: 2, 1: 1, -1: 7}


def test_the_place_of_a_row_depends_on_ids_and_not_on_order():
    row_ids = [f"row {n}" for n in range(500)]
    labels_N = np.arange(500) % 3
    order_N = np.random.default_rng(0).permutation(500)
    parts_N = held_out_parts(row_ids, labels_N, (0.2, 0.1))
    shuffled_N = held_out_parts([row_ids[n] for n in order_N], labels_N[order_N], (0.2, 0.1))
    assert (shuffled_N == parts_N[order_N]).all()
    assert parts_N[:12].tolist() == [-1, -1, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1], "recorded splits would change"


def test_rows_that_are_added_leave_most_rows_where_they_are():
    row_ids = [f"row {n}" for n in range(1100)]
    labels_N = np.arange(1100) % 2
    before_N = held_out_parts(row_ids[:1000], labels_N[:1000], (0.2, 0.1))
    after_N = held_out_parts(row_ids, labels_N, (0.2, 0.1))[:1000]
    assert (before_N != after_N).mean() < 0.05


def test_image_folders_split_off_by_hash_only_where_that_is_asked_for(tmp_path):
    for number in range(20):
        write(tmp_path / f"in/{'ab'[number % 2]}/{number}.png", PNG)
    source = ImageFolder(path="in", train=".", held_out="hash").open(tmp_path)
    assert sizes(source) == {"pool": 14, "validation": 2, "test": 4}
    assert source.findings.ignored == ()
    assert "held_out" not in plugins.recipe("image_folder", ImageFolder(path="in"))["settings"]  # type: ignore[operator]


def test_two_columns_of_labels_are_refused():
    with pytest.raises(ConfigError, match="label and label_list name columns of labels; leave all but one out"):
        plugins.build(
            Tables, "labelbench_ray.datasets", Part.of("tables", path="a", payload="text", label="b", label_list="c")
        )
