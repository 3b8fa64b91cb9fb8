"""On a terminal a command shows words at once, and a bar with its total before it imports what takes seconds.

Every command that checks an experiment does so by the same function; `plan` is the one that starts no Ray. Seconds say
little on a loaded machine, so CPU seconds are compared: `benchmarks/first_words.py` shows both.
"""

from pathlib import Path

from tests.terminals import ROOT, record

WORDS_CPU, BAR_CPU = 0.5, 1.0
"""On idle cores CPU seconds and seconds are about the same here: 1 s and 3 s are wanted."""


def test_words_come_at_once_and_a_bar_with_its_total_soon(tmp_path: Path) -> None:
    planned = record(tmp_path, "plan", str(ROOT / "experiments/quickstart.py"), "--tiny")
    assert planned.status == 0
    assert planned.chunks[0].written.startswith(b"checking")
    assert planned.chunks[0].cpu < WORDS_CPU
    assert planned.first(r"checking .*━+ 0/40 ").cpu < BAR_CPU
    assert not [line for line in planned.final if "━" in line]
