"""What every plug-in of the other kinds must do; that of strategies: test_strategies.py."""

import importlib
from pathlib import Path

import pytest

from labelbench_ray import plugins
from labelbench_ray.contracts.checking import laws_of, made_plugin
from labelbench_ray.contracts.law import Verdict, judge
from labelbench_ray.plugins.catalog import KINDS

NAMED = {
    "encoders": ["pixels", "spectra", "columns"],
    "datasets": ["digits", "scikit_learn", "synthetic_sounds"],
    "trainers": ["logistic", "supervised", "fixmatch", "warm_start"],
}
"""Those that are tried: the others need weights or data, take half a minute, or differ from these in their loss."""
SETTINGS: dict[str, dict[str, object]] = {"class_conditional": {"matrix": [[0.9, 0.1], [0.2, 0.8]]}}
"""Of those that cannot do without."""
CASES = [
    (kind, name)
    for kind in ("corrupters", "proxies", "augmentations", "encoders", "datasets", "trainers")
    for name in NAMED.get(kind, plugins.names(KINDS[kind][0]))
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_it_breaks_no_law_of_its_kind(kind: str, name: str, tmp_path: Path):
    package, base = KINDS[kind]
    plugin = made_plugin(f"{package}.{name}", SETTINGS.get(name, {}))
    assert isinstance(plugin, getattr(importlib.import_module(package), base))
    found = [judge(law, plugin) for law in laws_of(base, tmp_path)]
    assert [str(each) for each in found if each.verdict is Verdict.FAIL] == []
    held = sum(each.verdict is Verdict.PASS for each in found)
    assert held > len(found) / 2 or name in ("full_model", "lora", "none", "causal_lm_lora"), (
        "they have no laws beside their settings"
    )
