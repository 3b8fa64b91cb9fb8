"""`labelbench registry check --reproduce`: one trial is run again, and its rows are compared."""

from click.testing import CliRunner

from labelbench_ray.api.reproduce import first_other_row, sampled
from labelbench_ray.api.run import run
from labelbench_ray.commands.cli import app
from labelbench_ray.config import Part, Trial
from labelbench_ray.registry.check import Tier, check
from labelbench_ray.registry.pack import pack

TRIAL = Trial(
    dataset=Part.of("digits", max_rows=200),
    encoder="pixels",
    strategy="margin",
    seed=1,
    rounds=2,
    budget=10,
    trainer=Part.of("supervised", epochs=2),
)


def test_a_trial_that_chooses_the_same_rows_again_is_reproduced(tmp_path):
    places = {"store": tmp_path / "store", "data_root": tmp_path / "data"}
    outcome = run([TRIAL], name="a", runs=tmp_path / "runs", executor="local", progress=False, **places)
    assert outcome.done
    packed = pack([outcome.folder], tmp_path / "P", tmp_path / "store", "")
    words = ["registry", "check", *map(str, packed.paths), "--reproduce"]
    tiers = ["--tiers", str(tmp_path / "owner.tiers.parquet")]
    words += [*tiers, "--store", str(tmp_path / "store"), "--data-root", str(tmp_path / "data")]
    ended = CliRunner().invoke(app, words, standalone_mode=False)
    assert ended.exception is None, ended.output
    assert "P: 1 trial: 1 reproduced" in ended.output
    (found,) = check(packed.paths)
    assert {*found.tiers.values()} == {Tier.CHECKED}
    for command, expected in ((["registry", "check"], "1 trial: 1 reproduced"), (["leaderboard"], "wrote")):
        page = ["--out", str(tmp_path / "page.html")] if command == ["leaderboard"] else []
        later = CliRunner().invoke(app, [*command, *map(str, packed.paths), *tiers, *page], standalone_mode=False)
        assert later.exception is None, later.output
        assert expected in later.output
    assert "1 reproduced, 174 imported" in (tmp_path / "page.html").read_text()
    records = sampled(found).records
    assert first_other_row(records, records) == ""
    other = records[1].model_copy(update={"chosen": (records[1].chosen[0], 199, *records[1].chosen[2:])})
    expected = f"round 1, row 2: its ledger states row {records[1].chosen[1]}, here it chooses 199"
    assert expected in first_other_row(records, [records[0], other])
