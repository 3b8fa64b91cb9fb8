"""The folder of the data is also the working directory: `store` and `runs` of ours in it are not read as data."""

import sys
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.commands import cli
from tests.datasets.row_samples import png
from tests.datasets.test_tables import write

RUN = ["--executor", "local", "--strategies", "random", "--seeds", "1", "--rounds", "2", "--budget", "5"]


def command(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    sys.argv = ["labelbench", *words]
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert ended.value.code in (0, None), printed.err
    return printed.out


def images(root: Path) -> None:
    for number in range(60):
        write(root / ("cat", "dog")[number % 2] / f"{number}.png", png(number))


def listed_images(root: Path) -> None:
    for number in range(60):
        write(root / f"pictures/{number}.png", png(number))
    write(root / "list.csv", "path,label\n" + "".join(f"pictures/{n}.png,{'xy'[n % 2]}\n" for n in range(60)))


def numbers(root: Path) -> None:
    labels = np.arange(60) % 2
    np.save(root / "embeddings.npy", np.random.default_rng(0).normal(labels[:, None], size=(60, 8)).astype(np.float16))
    np.save(root / "labels.npy", labels)


@pytest.mark.parametrize(("make", "encoder"), [(images, "pixels"), (listed_images, "pixels"), (numbers, "precomputed")])
@pytest.mark.parametrize("place", [".", "elsewhere"])
def test_results_beside_the_rows_are_not_rows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make,
    encoder: str,
    place: str,
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    make(folder)
    monkeypatch.chdir(folder if place == "." else tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    kept = [] if place == "." else ["--store", "data/keep/store", "--runs", "data/keep/runs"]
    words = ["--dataset", "." if place == "." else "data", "--encoder", encoder, *RUN, *kept]
    assert "1 trials done, 0 failed" in command(capsys, "run", *words).replace("trial done", "trials done")
    again = command(capsys, "plan", *words)
    assert "1 done, 0 to run" in again
    if encoder != "precomputed":
        assert "ignored (embeddings and results that are kept here): " in again


def test_rows_that_only_look_like_a_log_are_read(tmp_path: Path) -> None:
    from labelbench_ray.datasets.files.own_folders import own_folders
    from labelbench_ray.datasets.files.places import locate

    write(tmp_path / "in/a/events.jsonl", '{"text": "a", "label": "x"}\n')
    write(tmp_path / "in/runs/a/events.jsonl", '{"time": "2026-01-01", "event": "run_started"}\n')
    paths = ["a/events.jsonl", "runs/a/events.jsonl", "store/0123456789abcdef/lock", "store/names/lock", "lock"]
    found = own_folders(locate(tmp_path, "in"), paths)
    assert found == {"runs/a": "runs/", "store/0123456789abcdef": "store/"}
