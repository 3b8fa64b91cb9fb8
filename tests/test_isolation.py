"""Rows whose decoding ends the process or takes for ever become rejects; all others are what they are anyway."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.embeddings.attempts import attempt, marks
from labelbench_ray.embeddings.isolation import Outcome, Rejected, apart, decode_here
from labelbench_ray.errors import DataError, PluginError
from tests.deadly import Deadly

ROOT = Path(__file__).resolve().parents[1]


def image(number: int, appended: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    pixels_HW = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels_HW).save(buffer, "PNG")
    return buffer.getvalue() + appended


def shown(outcomes: list[Outcome]) -> list[object]:
    return [each.reason if isinstance(each, Rejected) else np.asarray(each).tolist() for each in outcomes]


@pytest.mark.parametrize("children", [1, 3])
def test_rows_that_kill_are_rejected_with_a_reason_and_the_others_are_decoded(children: int) -> None:
    fatal = {
        3: (b"crash", "decoding this row ended the process with SIGSEGV"),
        4: (b"exit", "decoding this row ended the process with exit status 3"),
        7: (b"leave", "decoding this row ended the process with exit status 1"),
        8: (b"greed", "decoding this row takes more memory than there is"),
        10: (b"stuck", "decoding this row took longer than 3 s"),
        11: (b"sleep", "decoding this row took longer than 3 s"),
    }
    payloads = [image(number, fatal.get(number, (b"",))[0]) for number in range(13)]
    payloads[5] = b"no image"
    plain = shown(list(decode_here(Deadly(), [image(number) for number in range(13)])))
    with apart(Deadly(), seconds=3, children=children) as decode:
        found = shown(list(decode(payloads)))
    assert "no image" in str(found[5])
    assert {place: found[place] for place in fatal} == {place: reason for place, (_, reason) in fatal.items()}
    others = set(range(13)) - fatal.keys() - {5}
    assert [found[place] for place in others] == [plain[place] for place in others]


def test_a_row_is_not_blamed_for_what_rows_before_it_did_to_the_process() -> None:
    payloads = [image(number, b"worn") for number in range(9)]
    with apart(Deadly(), children=1) as decode:
        assert not [each for each in decode(payloads) if isinstance(each, Rejected)]


def test_what_a_decoder_raises_otherwise_is_no_reject() -> None:
    with apart(Deadly()) as decode, pytest.raises(PluginError, match=r"decoding a row by Deadly.*TypeError: not"):
        list(decode([image(0), image(1, b"broken")]))


def test_an_encoder_that_cannot_be_imported_in_a_child_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARED", str(os.getpid()))
    from tests.dead_on_import import DeadOnImport

    with apart(DeadOnImport()) as decode, pytest.raises(DataError, match="exit status 7 before it decodes a row"):
        list(decode([image(0)]))


@pytest.mark.parametrize("pause", [0.0, 3.0])
def test_leaving_ends_a_row_that_hangs_and_a_child_that_starts(pause: float) -> None:
    start = time.monotonic()
    with apart(Deadly(), seconds=500) as decode:
        decode([image(0, b"stuck"), image(1)])
        time.sleep(pause)
    assert time.monotonic() - start < 60


def run(program: str, *words: str) -> int:
    return subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, check=False, timeout=60).returncode


WATCHED = """
import sys
from labelbench_ray.embeddings.isolation import decode_watched
from tests.deadly import Deadly
from tests.test_isolation import image
list(decode_watched(Deadly(), [image(0), image(1, sys.argv[1].encode())], seconds=0.5))
"""


@pytest.mark.parametrize(("appended", "status"), [("stuck", 1), ("sleep", 1), ("", 0)])
def test_a_row_that_hangs_ends_a_process_under_watch(appended: str, status: int) -> None:
    assert run(WATCHED, appended) == status


DYING = """
import os, sys
from pathlib import Path
from labelbench_ray.embeddings.attempts import attempt
with attempt(Path(sys.argv[1])) as died:
    os._exit(10 + died)
"""


def test_attempts_that_died_are_counted_until_one_ends(tmp_path: Path) -> None:
    with marks(tmp_path) as folder:
        work = folder / "decode-pool-0"
        assert [run(DYING, str(work)) for _ in range(3)] == [10, 11, 12]
        assert died(work) == 3
        assert died(work) == 0
        with pytest.raises(OSError, match="of the user's"), attempt(work):
            raise OSError("of the user's")
        assert died(work) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_starts_when_the_command_is_over_leaves_nothing(tmp_path: Path) -> None:
    with marks(tmp_path) as folder:
        pass
    assert died(folder / "load-1") == 0
    assert list(tmp_path.iterdir()) == []


def died(work: Path) -> int:
    with attempt(work) as count:
        return count


def test_a_new_command_counts_anew(tmp_path: Path) -> None:
    left = tmp_path / "attempts" / "of-a-killed-command"
    left.mkdir(parents=True)
    assert run(DYING, str(left / "decode-pool-0")) == 10
    with marks(tmp_path) as folder:
        assert not left.exists()
        assert died(folder / "decode-pool-0") == 0
