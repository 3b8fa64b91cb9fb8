"""What the catalog of plug-ins states of them."""

from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, PositiveInt

from labelbench_ray import plugins
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part, Plugin
from labelbench_ray.plugins.catalog import KINDS, Setting, catalog, describe, described


class Base(Plugin):
    """The base of an example."""

    rows: PositiveInt = 10
    """How many rows.

    In two paragraphs.
    """


class Example(Base):
    """The first line.

    More of it.
    """

    purpose: ClassVar[str] = "not a setting"
    mode: Literal["fast", "exact"] = "fast"
    share: Annotated[float, Field(gt=0, le=1)]
    """Of all rows."""
    limit: PositiveInt | None = None
    inner: Part = Part(name="margin")
    names: tuple[str, ...] = Field(default=(), min_length=0, description="Stated in the field.")

    @classmethod
    def table_row(cls) -> dict[str, str]:
        return {"purpose": cls.purpose}


def test_a_class_is_described_with_its_settings() -> None:
    found = described("example", Example)
    assert (found.name, found.class_name, found.module) == ("example", "Example", __name__)
    assert (found.summary, found.docstring) == ("The first line.", "The first line.\n\nMore of it.")
    assert found.row == {"purpose": "not a setting"}
    assert found.settings == (
        Setting("rows", "int", "greater than 0", "10", "How many rows.\n\nIn two paragraphs."),
        Setting("mode", '"fast" | "exact"', "", '"fast"', ""),
        Setting("share", "float", "greater than 0, at most 1", None, "Of all rows."),
        Setting("limit", "int | None", "greater than 0", "None", ""),
        Setting("inner", "Part", "", '"margin"', ""),
        Setting("names", "tuple[str, ...]", "length at least 0", "()", "Stated in the field."),
    )


def test_a_class_whose_source_cannot_be_read_is_described_without_texts() -> None:
    namespace: dict = {"Base": Base, "__name__": "nowhere"}
    exec("class Typed(Base):\n    'What it is.'\n    width: int = 3\n", namespace)
    found = described("typed", namespace["Typed"])
    assert found.summary == "What it is."
    assert found.settings[1] == Setting("width", "int", "", "3", "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_plug_in_of_a_kind_is_in_its_catalog(kind: str) -> None:
    found = catalog(kind)
    assert [each.name for each in found] == plugins.names(KINDS[kind][0])
    assert all(each.summary for each in found)


def test_a_user_s_own_plug_in_is_described_by_its_module_path() -> None:
    found = describe("strategies", "tests.contract.users_own")
    assert found.name == found.module == "tests.contract.users_own"
    assert found.row["wants"] == "E P L"
    assert found.row["from"] == ""


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="no kind of plug-in called 'strategy'; did you mean 'strategies'"):
        catalog("strategy")
