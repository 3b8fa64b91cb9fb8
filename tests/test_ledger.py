"""The ledger gives back what was recorded, or refuses by the file's name."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw

from labelbench_ray.config import Trial, digest
from labelbench_ray.costs import Cost
from labelbench_ray.errors import LedgerError, OtherVersionError
from labelbench_ray.ledger.experiments import read_grid, write_grid
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.ledger.state import TrialState, trial_state
from labelbench_ray.ledger.trials import Failure, Header, Ledger, RoundRecord, read_history, write_failure

TRIAL = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=3, budget=4)
HEADER = Header(fingerprint="f" * 16, trial=TRIAL, store="store-1", compute="numpy", versions={"python": "3"})


def publish(
    ledger: Ledger, number: int, chosen: list[int] | None = None, num_labeled: int | None = None
) -> RoundRecord:
    ids = np.arange(4 * number, 4 * number + 4) if chosen is None else np.array(chosen)
    return ledger.publish(
        number,
        ids,
        ids % 3,
        4 * (number + 1) if num_labeled is None else num_labeled,
        {"Test Accuracy": 0.1 + number / 3},
        {"fit": Cost(0.25, 1.0, 0.5), "select": Cost(0.0, 0.5)},
        {"bias": np.arange(3.0) + number},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trial with three rounds."""
    with Ledger.open(tmp_path / "trial", HEADER) as ledger:
        for number in range(3):
            publish(ledger, number)
    return tmp_path / "trial"


def read(folder: Path) -> list[RoundRecord]:
    """As a report and a plan do."""
    return list(read_history(folder).records)


def open_again(folder: Path, header: Header = HEADER) -> list[RoundRecord]:
    """As a run does."""
    with Ledger.open(folder, header) as ledger:
        return ledger.records()


def rewrite(path: Path, change: Callable[[dict], dict]) -> None:
    """Alter a record and give it the checksum that fits."""
    content = {key: value for key, value in json.loads(path.read_text()).items() if key != "checksum"}
    content = change(content)
    path.write_text(json.dumps(content | {"checksum": digest(content)}))


def test_gives_back_what_was_recorded(tmp_path):
    with Ledger.open(tmp_path, HEADER) as ledger:
        published = [publish(ledger, number) for number in range(3)]
        np.testing.assert_array_equal(ledger.proxy(published[1])["bias"], [1, 2, 3])
    assert read(tmp_path) == published
    assert published[2].chosen == (8, 9, 10, 11)
    assert published[2].metrics == {"Test Accuracy": 0.1 + 2 / 3}


def test_a_record_is_json_with_the_documented_names(folder):
    record = json.loads((folder / "rounds" / "001.json").read_text())
    assert {"round", "chosen", "num_labeled", "metrics", "seconds"} <= set(record)
    assert (record["round"], record["chosen"], record["num_labeled"]) == (1, [4, 5, 6, 7], 8)
    assert record["seconds"] == {"fit": 0.25, "select": 0.0}
    assert record["cpu"] == {"fit": 1.0, "select": 0.5}
    assert record["gpu"] == {"fit": 0.5, "select": 0.0}
    assert record["cpu_seconds"] == 1.5
    size = sum(path.stat().st_size for path in (folder / "rounds").glob("001.*"))
    assert 0 <= size - record["bytes_written"] <= 6  # the digits of this number itself


@pytest.mark.parametrize("name", ["cpu", "gpu", "bytes_written", "finished"])
def test_a_record_without_costs_by_stage_or_its_time_is_refused_by_the_field(folder, name: str):
    rewrite(folder / "rounds" / "001.json", lambda record: {key: record[key] for key in record if key != name})
    with pytest.raises(LedgerError, match=rf"001\.json: {name}"):
        read(folder)


def test_the_history_states_what_is_done(folder):
    history = read_history(folder)
    assert trial_state(history, TRIAL.rounds) is TrialState.DONE
    assert history.failure is None
    assert history.header == HEADER


def test_more_rounds_go_on_with_the_same_trial(folder):
    longer = HEADER.model_copy(update={"trial": TRIAL.model_copy(update={"rounds": 4})})
    with Ledger.open(folder, longer) as ledger:
        assert len(ledger.records()) == 3
        assert trial_state(read_history(folder), 4) is TrialState.INCOMPLETE
        publish(ledger, 3)
    assert trial_state(read_history(folder), 4) is TrialState.DONE


@pytest.mark.parametrize("metrics", [{"Test Loss": float("nan")}, {"Test Loss": float("inf")}])
def test_a_metric_that_is_not_finite_is_never_recorded(tmp_path, metrics: dict):
    with Ledger.open(tmp_path, HEADER) as ledger:
        with pytest.raises(ValueError, match="Test Loss"):
            ledger.publish(0, np.arange(4), np.arange(4), 4, metrics, {}, {"bias": np.zeros(2)})
        assert ledger.records() == []


@pytest.mark.parametrize("share", [0, 0.3, 0.95])
@pytest.mark.parametrize("file", ["rounds/001.json", "trial.json"])
def test_a_file_cut_short_is_refused_by_name(folder, file: str, share: float):
    path = folder / file
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(LedgerError, match=file):
        read(folder)


@given(data=draw.data())
def test_a_flipped_bit_is_refused_by_name_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: draw.DataObject
):
    """An upper-case `e` in a number is the one flip that changes nothing."""
    folder = tmp_path_factory.mktemp("trial")
    with Ledger.open(folder, HEADER) as ledger:
        whole = publish(ledger, 0)
    path = folder / "rounds" / "000.json"
    content = bytearray(path.read_bytes())
    content[data.draw(draw.integers(0, len(content) - 1))] ^= 1 << data.draw(draw.integers(0, 7))
    path.write_bytes(content)
    refusal = None
    try:
        records = read(folder)
    except LedgerError as error:
        refusal = str(error)
    if refusal is None:
        assert records == [whole]
    else:
        assert "000.json" in refusal


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_is_refused_by_name(folder, value: str):
    path = folder / "rounds" / "001.json"
    path.write_text(path.read_text().replace("0.25", value))
    with pytest.raises(LedgerError, match=r"001\.json"):
        read(folder)


@pytest.mark.parametrize("content", ["[]", "null", "3"])
def test_a_record_that_is_no_object_is_refused_by_name(folder, content: str):
    (folder / "rounds" / "001.json").write_text(content)
    with pytest.raises(LedgerError, match=r"001\.json"):
        read(folder)


def test_a_gap_is_refused_by_the_round_that_is_missing(folder):
    (folder / "rounds" / "001.json").unlink()
    with pytest.raises(LedgerError, match=r"002\.json: round 1 is missing"):
        read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": [4, 5, 6, 0]}, "chooses a row twice"),
        ({"chosen": [4, 5, 6, 6]}, "chooses a row twice"),
        ({"chosen": [4, 5, 6, 7, 8], "labels": [0] * 5, "num_labeled": 9}, "5 rows.*the budget is 4 a round"),
        ({"chosen": [4, 5, 6], "labels": [0] * 3, "num_labeled": 7}, "3 rows"),
        ({"labels": [0, 1]}, "2 labels"),
        ({"num_labeled": 9}, "9 in all"),
        ({"fingerprint": "e" * 16}, "belongs to trial e{16}, not to f{16}"),
        ({"round": 0}, "holds round 0, its name is of round 1"),
        ({"chosen": [4, 5, 6, -7]}, "chosen"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_by_name(folder, change: dict, message: str):
    rewrite(folder / "rounds" / "001.json", lambda content: content | change)
    with pytest.raises(LedgerError, match=rf"001\.json: .*{message}"):
        read(folder)


def test_a_record_copied_to_another_round_is_refused_by_name(folder):
    (folder / "rounds" / "003.json").write_bytes((folder / "rounds" / "002.json").read_bytes())
    with pytest.raises(LedgerError, match=r"003\.json"):
        read(folder)


def test_a_folder_of_a_later_format_is_refused_and_left_as_it_is(folder):
    path = folder / "trial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2, "news": "what this version knows not"}))
    with pytest.raises(
        OtherVersionError,
        match=r"trial\.json: was written by another .*: format 2, this version reads 1; .* install that version",
    ):
        open_again(folder)
    assert not (folder / "quarantine").exists()


@pytest.mark.parametrize(("field", "value"), [("fingerprint", "e" * 16), ("store", "store-2"), ("compute", "torch")])
def test_a_folder_of_another_trial_or_store_is_refused_by_name(folder, field: str, value: str):
    with pytest.raises(
        LedgerError, match=rf"trial\.json: {field} is '{getattr(HEADER, field)}', this run's is '{value}'"
    ):
        open_again(folder, HEADER.model_copy(update={field: value}))
    assert len(open_again(folder)) == 3


def test_other_versions_of_packages_go_on(folder):
    assert len(open_again(folder, HEADER.model_copy(update={"versions": {"python": "4"}}))) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(b""),
    ],
    ids=["gone", "cut short", "empty"],
)
def test_a_damaged_proxy_is_refused_by_name(folder, damage: Callable[[Path], None]):
    damage(folder / "rounds" / "002.safetensors")
    with pytest.raises(LedgerError, match=r"002\.safetensors"):
        Ledger(folder, HEADER).proxy(read(folder)[-1])


def test_a_proxy_without_its_record_does_not_count(folder):
    (folder / "rounds" / "002.json").unlink()
    assert len(read(folder)) == 2


def test_a_failure_is_reported_until_the_next_attempt(folder):
    failure = Failure(error="OSError: disk full", traceback="Traceback ...")
    with Ledger.open(folder, HEADER) as ledger:
        write_failure(ledger.directory, failure)
    assert read_history(folder).failure == failure
    open_again(folder)
    assert read_history(folder).failure is None


def test_a_folder_without_a_trial_is_refused_by_name(tmp_path):
    with pytest.raises(LedgerError, match=r"trial\.json: there is no such file"):
        read_history(tmp_path)


WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from labelbench_ray.ledger.state import TrialState, trial_state
from labelbench_ray.ledger.trials import Header, Ledger
header = Header.model_validate_json(sys.argv[2])
with Ledger.open(Path(sys.argv[1]), header) as ledger:
    ledger.publish(0, np.arange(4), np.zeros(4, np.int64), 4, {}, {}, {"bias": np.zeros(2)})
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_writer_waits_for_its_predecessor_and_takes_over_when_that_is_killed(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "trial"), HEADER.model_dump_json()]
    seen: list[list[RoundRecord]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        successor = threading.Thread(target=lambda: seen.append(open_again(tmp_path / "trial")))
        successor.start()
        successor.join(0.2)
        assert seen == []
        writer.send_signal(signal.SIGKILL)
        successor.join(10)
    assert [record.chosen for record in seen[0]] == [(0, 1, 2, 3)]


def test_a_grid_is_read_again(tmp_path):
    grid = Grid(experiment="study.study", entries=(Entry(fingerprint="f" * 16, trial=TRIAL),))
    write_grid(tmp_path / "runs", grid)
    assert read_grid(tmp_path / "runs") == grid
