"""Commands on a terminal of 80 columns, as people start them."""

import os
import re
from pathlib import Path

import pytest

from labelbench_ray.environment import Environment
from labelbench_ray.planning import experiment
from tests.full_trials import Home, make_store
from tests.terminals import DOTS, ROOT, Recording, record

pytestmark = pytest.mark.ray
QUICKSTART = str(ROOT / "experiments/quickstart.py")
TUNED = """
from labelbench_ray.config import Trial, vary
from tests.full_trials import LIGHT, finetune

def tuned() -> list[Trial]:
    return [vary(LIGHT, rounds=2, finetune=finetune(12, 24))]
"""
FIRST_CPU, BAR_SHARE = 0.5, 0.7
"""CPU seconds until the first word, and the share of all CPU seconds until the first bar: Ray is imported after it. On
idle cores they come within 1 and 3 seconds; seconds say nothing where other processes have the cores."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all commands: each finds what those before it made."""
    return tmp_path_factory.mktemp("terminal")


def check(recording: Recording, bar: str) -> None:
    """What holds for every command: first words at once, then this bar, and nothing of either stays."""
    assert recording.status == 0, "\n".join(recording.final)
    first, last = recording.chunks[0], max(recording.chunks, key=lambda chunk: chunk.cpu)
    assert first.cpu < FIRST_CPU, first
    assert recording.first(bar).cpu < BAR_SHARE * last.cpu, (recording.first(bar), last)
    lines = [line for _, line in recording.lines()]
    assert all(line.count("━") == 0 or re.search(r"\d/\d", line) for line in lines), "a bar without its total"
    assert all(len(line) <= recording.columns for line in lines)
    kept = "\n".join(recording.final)
    assert not re.search(f"[{DOTS}━╸╺]", kept), kept
    assert "Traceback" not in recording.text
    assert "ray log level" not in recording.text
    assert recording.text.rfind("\x1b[?25h") > recording.text.rfind("\x1b[?25l"), "the cursor is back"


def test_embed_run_and_sync(folder: Path) -> None:
    embedded = record(folder, "embed", QUICKSTART, "--tiny")
    check(embedded, r"starting Ray, rows ━+ 0/780 ")
    assert any("embedding, rows" in line and "780" in line for _, line in embedded.lines())
    assert any(line.startswith("embedded digits") for line in embedded.final)
    assert not any("Warning" in line for line in embedded.final), embedded.final

    ran = record(folder, "run", QUICKSTART, "--tiny")
    check(ran, r"starting Ray, rounds ━+ 0/80 ")
    assert ran.first(r"trials done, \d+ running; rounds [━╸╺]+ \d+/80 .* left$").seconds > 0
    rows = [line for line in ran.final if re.match(r"(margin|confidence|entropy|random) .*%", line)]
    assert len(rows) == 4, ran.final
    assert any(line.startswith("40 trials done") for line in ran.final)

    synced = record(folder, "sync", "runs")
    check(synced, r"opening MLflow, runs ━+ 0/40 ")
    assert any("40 runs: 0 created, 0 completed, 0 replaced" in line or "41 runs" in line for line in synced.final)


def test_finetune(tmp_path: Path) -> None:
    (tmp_path / "tuned.py").write_text(TUNED)
    (trial,) = experiment.load(str(tmp_path / "tuned.py")).trials
    home = Home(Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", "", None))
    make_store(trial, home.environment.store, home.environment.data_root)
    folder = home.folder.with_name("tuned.tuned")
    list(home.job(trial).steps())
    home.folder.rename(folder)
    tuned = record(tmp_path, "finetune", "tuned.py")
    check(tuned, r"starting Ray, fine-tunes ━+ 0/2 ")
    assert any(re.search(r"running; fine-tunes [━╸╺]+ \d/2 ", line) for _, line in tuned.lines())
    assert any(line.startswith("1 trials done, 0 failed") for line in tuned.final)
    assert os.path.exists(folder / "report.html")
