"""Ctrl-C in a sweep on a local Ray, by a real signal; benchmarks/faults/interrupt.py has the other phases."""

import importlib
from pathlib import Path

import pytest
import ray

from labelbench_ray.cluster.session import connected
from labelbench_ray.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.ray
def test_ctrl_c_in_a_sweep_ends_it_in_seconds_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    interrupt = importlib.import_module("faults.interrupt")
    (tmp_path / "interrupted.py").write_text(interrupt.EXPERIMENT)
    case = interrupt.interrupt(tmp_path, "sweep", "SIGINT")
    assert case.met, case
    assert not list(tmp_path.glob("runs/*/.tune-*"))
    assert list(tmp_path.glob(interrupt.RECORDS))


@pytest.mark.ray
def test_an_address_where_nobody_listens_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with (
        pytest.raises(ConfigError, match=r"--address 127\.0\.0\.1:1 \(or RAY_ADDRESS\): no Ray cluster answers there"),
        connected("127.0.0.1:1"),
    ):
        pass
