"""`labelbench registry`: the same runs give the same bytes, and no altered file passes."""

import io
import json
import random
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.synthetic_ledgers import write_ledgers
from labelbench_ray.commands.cli import app
from labelbench_ray.config import Part, Trial, digest, grid, vary
from labelbench_ray.costs import Prices
from labelbench_ray.errors import ConfigError, LedgerError, RegistryError, UserError
from labelbench_ray.ledger.data_notes import DataNote, DataNotes
from labelbench_ray.ledger.trials import read_header
from labelbench_ray.registry.check import Tier, check, unpaired
from labelbench_ray.registry.pack import Packed, pack
from labelbench_ray.registry.rows import lock_hash
from labelbench_ray.registry.schema import METADATA, ROUNDS, TRIALS, TRIALS_BY_VERSION
from labelbench_ray.registry.tables import table_bytes
from labelbench_ray.registry.tiers import given_tiers, read_tiers, with_tiers, write_tiers
from labelbench_ray.registry.trials import check_publishable
from labelbench_ray.registry.words import describe_packed
from labelbench_ray.trial import parts

BASE = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=3, budget=4)
TRIALS_OF_GRID = grid(BASE, strategy=["random", "margin"], seed=range(3))
MUTATIONS = 100
PRICES = Prices(label=0.25, cpu_hour=3600, gpu_hour=0, currency="CHF")
FIRST_VERSION = Path(__file__).parents[1] / "fixtures" / "registry_1"


def fingerprint(trial: Trial) -> str:
    return parts.build(trial).fingerprint


def packed(folder: Path, trials: list[Trial] = TRIALS_OF_GRID, name: str = "P") -> Packed:
    write_ledgers(folder / "runs" / "a.b", trials, fingerprint)
    notes = DataNotes(stores={"0" * 16: DataNote(class_counts=(30, 12, 20))})
    (folder / "runs" / "a.b" / "data.json").write_text(notes.model_dump_json())
    return pack([folder / "runs" / "a.b"], folder / name, folder / "store", "a laboratory", PRICES)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    found = packed(tmp_path_factory.mktemp("packed"))
    return {path.name: path.read_bytes() for path in found.paths}


def written(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def rows_of(data: bytes) -> list[dict]:
    return pq.read_table(pa.BufferReader(data)).to_pylist()


def test_packing_twice_gives_the_same_bytes_and_the_check_takes_them_in_any_order(tmp_path):
    first = packed(tmp_path)
    again = pack([tmp_path / "runs" / "a.b"], tmp_path / "Q", tmp_path / "store", "a laboratory", PRICES)
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in again.paths]
    for order in (first.paths, first.paths[::-1]):
        (found,) = check(order)
        assert set(found.tiers.values()) == {Tier.CHECKED}
        assert len(found.tiers) == len(TRIALS_OF_GRID)
        assert [*unpaired([found])] == []


def test_upper_bounds_are_left_out_and_refused(tmp_path):
    """A leaderboard ranks what it is given: no trial may see labels, whatever its ledger states."""
    bound = vary(BASE, strategy="oracle_batch")
    found = packed(tmp_path, [*TRIALS_OF_GRID, bound])
    assert (len(found.trials), found.upper_bounds) == (len(TRIALS_OF_GRID), 1)
    assert "1 trial left out: upper bounds that see labels are not ranked" in [*describe_packed(found)]
    header = read_header(tmp_path / "runs" / "a.b" / fingerprint(bound) / "trial.json")
    assert header.traits is None or not header.traits.sees_labels
    with pytest.raises(RegistryError, match="oracle_batch sees labels"):
        check_publishable(Path("here"), header, found.trials[0].submission)
    with pytest.raises(ConfigError, match="all 1 finished trials are upper bounds"):
        packed(tmp_path / "alone", [bound])


def test_the_tables_hold_what_the_ledgers_state(files):
    rounds = rows_of(files["P.rounds.parquet"])
    trials = rows_of(files["P.trials.parquet"])
    assert [*trials[0]] == TRIALS.names
    assert [*rounds[0]] == ROUNDS.names
    with zipfile.ZipFile(io.BytesIO(files["P.ledgers.zip"])) as archive:
        record = json.loads(archive.read(f"{trials[0]['fingerprint']}/rounds/002.json"))
    mine = [row for row in rounds if row["fingerprint"] == trials[0]["fingerprint"] and row["round"] == 2]
    assert {row["metric"]: row["value"] for row in mine} == record["metrics"]
    assert {row["num_labels"] for row in mine} == {12}
    assert {row["split"] for row in mine if row["metric"] == "Test Accuracy"} == {"test"}
    assert trials[0]["value"] == record["metrics"]["Test Accuracy"]
    assert {row["submitter"] for row in trials} == {"a laboratory"}
    assert pq.read_schema(pa.BufferReader(files["P.trials.parquet"])).metadata[b"schema_version"] == b"2"


def test_price_imbalance_and_versions_follow_from_the_ledgers(files, tmp_path):
    for row in rows_of(files["P.trials.parquet"]):
        assert row["imbalance"] == 30 / 12
        assert row["currency"] == "CHF"
        assert row["price"] == pytest.approx(12 * 0.25 + sum(seconds for _, seconds in row["cpu_seconds"]))
    (found,) = check(written(tmp_path, files))
    one, other = found.ledgers[0], found.ledgers[1]
    assert lock_hash(one) == lock_hash(other)
    last = one.records[-1]
    for changed, is_same in (({"commit": "another"}, True), ({"numpy": "0.1"}, False)):
        versions = (last.versions or one.header.versions) | changed
        records = (*one.records[:-1], last.model_copy(update={"versions": versions}))
        assert (lock_hash(replace(one, records=records)) == lock_hash(one)) == is_same


def test_files_of_the_first_schema_stay_readable_and_checked(tmp_path):
    paths = sorted(FIRST_VERSION.iterdir())
    (found,) = check(paths)
    assert {*found.tiers.values()} == {Tier.CHECKED}
    assert found.trials.column_names == TRIALS.names
    assert {*found.trials["price"].to_pylist()} == {None}
    assert None not in found.trials["lock_hash"].to_pylist()
    (reported,) = check(path for path in paths if path.suffix == ".parquet")
    assert {*reported.tiers.values()} == {Tier.REPORTED}
    assert {*reported.trials["lock_hash"].to_pylist()} == {None}
    files = {path.name: path.read_bytes() for path in paths}
    rows = rows_of(files["P.trials.parquet"])
    altered = pa.Table.from_pylist([rows[0] | {"value": 0.5}, *rows[1:]], schema=TRIALS_BY_VERSION["1"])
    with pytest.raises(RegistryError, match=r"value is 0.5, its ledger states"):
        check(written(tmp_path, files | {"P.trials.parquet": table_bytes(altered)}))


def test_the_owner_keeps_what_was_reproduced_by_the_hash_of_each_ledger(files, tmp_path):
    paths = written(tmp_path, files)
    (found,) = check(paths)
    names = [each.fingerprint for each in found.checked]
    again = replace(found, reproduced=frozenset(names))
    table = tmp_path / "all.tiers.parquet"
    write_tiers(table, given_tiers(again, names[0]))
    kept = read_tiers(table)
    assert {row["run_again"] for row in kept.values()} == {names[0]}
    assert {*with_tiers([found], kept)[0].tiers.values()} == {Tier.REPRODUCED}
    altered = {(name, "0" * 64 if name == names[1] else each): row for (name, each), row in kept.items()}
    tiers = with_tiers([found], altered)[0].tiers
    assert tiers == dict.fromkeys(names, Tier.REPRODUCED) | {names[1]: Tier.CHECKED}
    (reported,) = check(path for path in paths if path.suffix == ".parquet")
    assert {*with_tiers([reported], kept)[0].tiers.values()} == {Tier.REPORTED}


def test_a_tier_that_a_submitter_states_is_refused(files, tmp_path):
    paths = written(tmp_path, files)
    table = tmp_path / "P.tiers.parquet"
    with pytest.raises(RegistryError, match=r"P.tiers.parquet: there is no such file; `labelbench registry check"):
        read_tiers(table)
    with pytest.raises(RegistryError, match=r"tiers.json: a table of tiers is named NAME.tiers.parquet"):
        write_tiers(tmp_path / "tiers.json", {})
    (found,) = check(paths)
    kept = given_tiers(replace(found, reproduced=frozenset({found.checked[0].fingerprint})), "a")
    write_tiers(table, kept)
    with pytest.raises(RegistryError, match=r"P.tiers.parquet: is a table of tiers, which no submission holds"):
        check([*paths, table])
    write_tiers(table, {key: row | {"tier": "checked"} for key, row in kept.items()})
    with pytest.raises(RegistryError, match=r"tier is 'checked'; only reproduced is kept"):
        read_tiers(table)


def test_one_protocol_is_what_may_be_ranked_together(files, tmp_path):
    assert len({row["protocol_id"] for row in rows_of(files["P.trials.parquet"])}) == 1
    changed = [vary(BASE, **field) for field in ({"budget": 5}, {"trainer": Part.of("logistic")})]
    every = [packed(tmp_path / "1", [BASE, *changed]), packed(tmp_path / "2", [vary(BASE, rounds=2)])]
    assert len({row["protocol_id"] for found in every for row in rows_of(found.paths[0].read_bytes())}) == 4


def mutated_table(rng: random.Random, data: bytes, name: str) -> tuple[bytes, str]:
    """A table with one cell changed, one row dropped or one row doubled; and the trial that it is of."""
    table = pq.read_table(pa.BufferReader(data))
    rows = table.to_pylist()
    place = rng.randrange(len(rows))
    row, kind = rows[place], rng.choice(["cell", "cell", "cell", "drop", "double"])
    trial = row["fingerprint"]
    if kind == "drop":
        del rows[place]
    elif kind == "double":
        rows.insert(rng.randrange(len(rows)), row)
    else:
        column = rng.choice([each for each in row if each != "finished"])
        rows[place] = row | {column: other(rng, row[column])}
    schema = TRIALS if name == "P.trials.parquet" else ROUNDS
    return table_bytes(pa.Table.from_pylist(rows, schema=schema)), trial


def other(rng: random.Random, value: object) -> object:
    if isinstance(value, list):
        return value[1:]
    if isinstance(value, str):
        place = rng.randrange(len(value) + 1)
        return f"{value[:place]}0{value[place:]}" if rng.random() < 0.5 else value[::-1] + "1"
    if isinstance(value, int):
        return value + rng.choice([-1, 1, 7])
    return value * 1.0001 + 1e-9 if isinstance(value, float) else "x"


def mutated_ledger(rng: random.Random, data: bytes, name: str) -> tuple[bytes, str]:
    """An archive with one id, seed or value changed in a consistent way, or one member dropped; and its trial."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    chosen = rng.choice(list(members))
    content = json.loads(members[chosen])
    kind = rng.choice(["drop", "change", "change", "change"])
    if kind == "drop":
        del members[chosen]
    elif chosen.endswith("trial.json"):
        content["trial"]["seed"] += 1
        members[chosen] = json.dumps(content).encode()
    elif chosen.endswith("submission.json"):
        members[chosen] = json.dumps(content | {"data_hash": "f" * 16}).encode()
    else:
        content.pop("checksum")
        place = rng.randrange(4)
        if rng.random() < 0.5:
            content["chosen"][place] += 50_000  # a row that no other round chose
        else:
            content["metrics"]["Test Accuracy"] += 0.001
        # A forger computes the checksum again.
        members[chosen] = json.dumps(content | {"checksum": digest(content)}).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return file.getvalue(), chosen.partition("/")[0]


@pytest.mark.parametrize("seed", range(MUTATIONS))
def test_every_mutation_is_refused_and_names_its_place(files, tmp_path, seed: int):
    rng = random.Random(seed)
    name = rng.choice(sorted(files))
    mutate = mutated_ledger if name.endswith(".zip") else mutated_table
    data, trial = mutate(rng, files[name], name)
    with pytest.raises((RegistryError, LedgerError)) as caught:
        check(written(tmp_path, files | {name: data}))
    text = str(caught.value)
    assert trial in text, text
    assert "P." in text, text
    assert "\n" not in text
    if name == "P.rounds.parquet":
        assert "round " in text, text


def test_an_altered_record_names_its_round(files, tmp_path):
    found = check(written(tmp_path, files))
    name = found[0].ledgers[0].fingerprint
    with zipfile.ZipFile(io.BytesIO(files["P.ledgers.zip"])) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    content = json.loads(members[f"{name}/rounds/001.json"])
    content.pop("checksum")
    content["chosen"][0] = 49_999
    members[f"{name}/rounds/001.json"] = json.dumps(content | {"checksum": digest(content)}).encode()
    with pytest.raises(RegistryError, match=f"P.rounds.parquet: trial {name}, round 1, .*record_sha256"):
        check(written(tmp_path, files | {"P.ledgers.zip": zipped(members)}))
    members[f"{name}/rounds/001.json"] = json.dumps(content | {"checksum": "0" * 16}).encode()
    with pytest.raises(LedgerError, match=f"{name}/rounds/001.json: its checksum does not match"):
        check(written(tmp_path, files | {"P.ledgers.zip": zipped(members)}))


def zipped(members: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda info: None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            change(info)
            archive.writestr(info, data)
    return file.getvalue()


def as_link(info: zipfile.ZipInfo) -> None:
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped({"../../x/trial.json": b"{}"}), "holds '../../x/trial.json'"),
        (zipped({"/etc/trial.json": b"{}"}), "holds '/etc/trial.json'"),
        (zipped({"a/../trial.json": b"{}"}), "holds 'a/../trial.json'"),
        (zipped({"a\\trial.json": b"{}"}), "holds"),
        (zipped({"a/lock": b""}), "holds 'a/lock'"),
        (zipped({"a/trial.json": b"/etc/passwd"}, as_link), "a link or a special file"),
        (zipped({"a/trial.json": bytes(65 * 2**20)}), "68,157,440 bytes; a file has at most"),
        (b"no zip", "is not a readable zip file"),
        (b"", "is not a readable zip file"),
        (zipped({}), "no ledger states this row"),
    ],
)
def test_archives_that_would_leave_their_place_or_fill_the_memory_are_refused(files, tmp_path, data, words):
    with pytest.raises(RegistryError) as caught:
        check(written(tmp_path, files | {"P.ledgers.zip": data}))
    assert words in str(caught.value)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_refused_in_one_line_or_is_the_same(files, tmp_path, seed: int):
    rng = random.Random(seed)
    name = rng.choice(sorted(files))
    data = bytearray(files[name])
    for _ in range(rng.choice([1, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    cut = bytes(data[: rng.randrange(len(data))]) if seed % 4 == 0 else bytes(data)
    found, refusal = refused_or_checked(written(tmp_path, files | {name: cut}))
    assert "\n" not in refusal
    assert refusal or found == check(written(tmp_path, files))[0].tiers


def refused_or_checked(paths: list[Path]) -> tuple[dict[str, Tier], str]:
    try:
        return check(paths)[0].tiers, ""
    except UserError as error:
        return {}, str(error)


def test_tables_alone_are_reported_and_must_fit_each_other(files, tmp_path):
    tables = {name: data for name, data in files.items() if not name.endswith(".zip")}
    (found,) = check(written(tmp_path, tables))
    assert set(found.tiers.values()) == {Tier.REPORTED}
    rounds, trials = rows_of(files["P.rounds.parquet"]), rows_of(files["P.trials.parquet"])
    for change, words in (
        ([{**trials[0], "seed": trials[0]["seed"], "budget": 5}, *trials[1:]], "protocol_id is"),
        (trials[1:], "holds no such trial"),
        ([trials[0], *trials], "is there twice"),
        ([{**trials[0], "value": 0.5}, *trials[1:]], "value is 0.5, its last round states"),
    ):
        table = table_bytes(pa.Table.from_pylist(change, schema=TRIALS))
        with pytest.raises(RegistryError, match=words):
            check(written(tmp_path, tables | {"P.trials.parquet": table}))
    for change, words in (
        ([rounds[0], *rounds], "is there 2 times"),
        ([row for row in rounds if row["round"] != 1 or row["fingerprint"] != trials[0]["fingerprint"]], "round 1: is"),
        ([{**rounds[0], "num_labels": 5}, *rounds[1:]], "num_labels is 5"),
    ):
        table = table_bytes(pa.Table.from_pylist(change, schema=ROUNDS))
        with pytest.raises(RegistryError, match=words):
            check(written(tmp_path, tables | {"P.rounds.parquet": table}))


def test_tables_alone_with_an_upper_bound_are_refused(files, tmp_path):
    tables = {name: data for name, data in files.items() if not name.endswith(".zip")}
    rows = rows_of(files["P.trials.parquet"])
    place = next(place for place, row in enumerate(rows) if row["strategy"] == "margin")
    for strategy in ("oracle_batch", "oracle_batch(candidates=4)"):
        rows[place]["strategy"] = strategy
        table = table_bytes(pa.Table.from_pylist(rows, schema=TRIALS))
        with pytest.raises(RegistryError) as caught:
            check(written(tmp_path, tables | {"P.trials.parquet": table}))
        expected = f"P.trials.parquet: trial {rows[place]['fingerprint']}: its strategy {strategy} sees labels"
        assert expected in str(caught.value)
    rows[place]["strategy"] = "my.oracle_batch"
    table = table_bytes(pa.Table.from_pylist(rows, schema=TRIALS))
    check(written(tmp_path, tables | {"P.trials.parquet": table}))


def test_trials_of_a_protocol_and_seed_must_begin_with_the_same_rows(tmp_path):
    """All intervals are over pairs of seeds, in one submission and in several."""
    random_trial, margin = (vary(BASE, strategy=name, seed=1) for name in ("random", "margin"))
    other_seed = vary(margin, seed=2)
    for name, trials in (("P", [random_trial]), ("Q", [margin, other_seed])):
        write_ledgers(tmp_path / name / "a.b", trials, fingerprint)
    record = tmp_path / "Q" / "a.b" / fingerprint(margin) / "rounds" / "000.json"
    same = [*packed_again(tmp_path, "P"), *packed_again(tmp_path, "Q")]
    assert len(check(same)) == 2
    content = json.loads(record.read_text())
    content.pop("checksum")
    content["chosen"][1] = 1_256_000
    record.write_text(json.dumps(content | {"checksum": digest(content)}))
    with pytest.raises(RegistryError) as caught:
        check([*packed_again(tmp_path, "P"), *packed_again(tmp_path, "Q")])
    text = str(caught.value)
    assert f"Q.ledgers.zip: trial {fingerprint(margin)}, round 0: chooses other rows than trial" in text
    assert f"{fingerprint(random_trial)} of P.ledgers.zip, which has the same protocol and seed 1;" in text


def packed_again(folder: Path, name: str) -> tuple[Path, ...]:
    return pack([folder / name / "a.b"], folder / name, folder / "store", "").paths


def test_files_that_do_not_belong_together_are_named(files, tmp_path):
    paths = written(tmp_path, files)
    with pytest.raises(RegistryError, match=r"P.rounds.parquet is not among the files"):
        check(paths[:1])
    with pytest.raises(RegistryError, match="is not a file of a registry"):
        check([tmp_path / "notes.txt"])
    with pytest.raises(RegistryError, match="there is no such file"):
        check([tmp_path / "Z.trials.parquet"])
    twice = [*paths, *written(tmp_path, {name.replace("P.", "Q."): data for name, data in files.items()})]
    with pytest.raises(RegistryError, match=r"Q.trials.parquet: trial \w+ is in P.trials.parquet, too"):
        check(twice)
    other = pq.read_table(pa.BufferReader(files["P.trials.parquet"]))
    for table, words in (
        (other.append_column("tier", pa.array(["reproduced"] * other.num_rows)), r"other columns .*\(tier: string\)"),
        (other.replace_schema_metadata(METADATA | {"schema_version": "3"}), "states schema_version 3"),
    ):
        sink = io.BytesIO()
        pq.write_table(table, sink)
        with pytest.raises(RegistryError, match=words):
            check(written(tmp_path, files | {"P.trials.parquet": sink.getvalue()}))


def test_what_one_machine_or_nobody_should_know_is_not_packed(tmp_path):
    for number, (path, words) in enumerate(
        (
            ("/home/anna/photos", "trial.dataset.settings.path is '/home/anna/photos', a place of one machine"),
            ("s3://key:pass@bucket/photos", "holds what looks like a secret"),
        )
    ):
        trial = vary(BASE, dataset=Part.of("image_folder", path=path))
        with pytest.raises(RegistryError) as caught:
            packed(tmp_path / str(number), [trial])
        assert words in str(caught.value)
    write_ledgers(tmp_path / "runs" / "a.b", [BASE], fingerprint)
    with pytest.raises(RegistryError, match="looks like a secret"):
        pack([tmp_path / "runs" / "a.b"], tmp_path / "P", tmp_path / "store", "hf_" + "a" * 30)
    assert not [*tmp_path.glob("P.*")]


def test_no_path_of_this_machine_is_in_the_files(files, tmp_path):
    for data in files.values():
        assert str(Path.home()).encode() not in data
        assert str(tmp_path.parent).encode() not in data


def test_no_module_that_a_stranger_names_is_imported(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    foreign = [
        vary(BASE, strategy="stranger.plugin"),
        vary(BASE, strategy=Part.of("partition", strategy="stranger.plugin")),
        vary(BASE, strategy=Part.of("partition", strategy=Part.of("subsample", strategy="stranger.plugin"))),
    ]
    write_ledgers(tmp_path / "runs" / "a.b", foreign)
    found = pack([tmp_path / "runs" / "a.b"], tmp_path / "P", tmp_path / "store", "")
    (checked,) = check(found.paths)
    assert [*checked.tiers.values()] == [Tier.REPORTED] * 3
    assert {each.unchecked for each in checked.ledgers} == {
        "strategy stranger.plugin does not ship with labelbench_ray"
    }


def test_unfinished_trials_are_left_out_and_missing_seeds_are_stated(tmp_path):
    write_ledgers(tmp_path / "runs" / "a.b", TRIALS_OF_GRID, fingerprint)
    cut = tmp_path / "runs" / "a.b" / fingerprint(TRIALS_OF_GRID[-1])
    (cut / "rounds" / "002.json").unlink()
    arguments = ["registry", "pack", str(tmp_path / "runs"), "--out", str(tmp_path / "P"), "--store", str(tmp_path)]
    ended = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert ended.exception is None
    assert "5 trials packed" in ended.output
    assert "1 trial left out: not finished" in ended.output
    paths = map(str, sorted(tmp_path.glob("P.*")))
    ended = CliRunner().invoke(app, ["registry", "check", *paths], standalone_mode=False)
    assert ended.exception is None
    assert "P: 5 trials: 5 checked" in ended.output
    assert "margin lacks seeds that random has: 2" in ended.output
    for each in cut.parent.glob("*/trial.json"):
        each.unlink()
    with pytest.raises(ConfigError, match="0 of 6 trials are finished"):
        pack([tmp_path / "runs" / "a.b"], tmp_path / "Q", tmp_path / "store", "")
