"""The names that `labelbench_ray` itself has: they are there, and cost nothing before they are used."""

import subprocess
import sys

import pytest

import labelbench_ray
from tests import structure

HEAVY = {"numpy", "pydantic", "torch", "ray", "click", "labelbench_ray.api", "labelbench_ray.config"}


def test_each_can_be_imported_and_is_what_its_module_defines():
    assert set(labelbench_ray.__all__) == set(labelbench_ray.HOMES)
    for name, home in labelbench_ray.HOMES.items():
        namespace: dict[str, object] = {}
        exec(f"from labelbench_ray import {name}", namespace)
        assert getattr(namespace[name], "__module__", home) == home  # a version is a text, which has none
    assert set(labelbench_ray.__all__) <= set(dir(labelbench_ray))


def test_importing_the_package_alone_imports_nothing():
    program = f"import sys, labelbench_ray; print(*({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_another_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="module 'labelbench_ray' has no attribute 'selekt'"):
        getattr(labelbench_ray, "selekt")  # noqa: B009
    with pytest.raises(ImportError, match="cannot import name 'selekt'"):
        exec("from labelbench_ray import selekt")


def test_no_module_of_the_package_takes_a_public_name():
    assert not set(structure.modules()) & set(labelbench_ray.__all__)
