"""A project of Label Studio in which a campaign's rows are labeled."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree

from labelbench_ray.answers.label_studio.client import Json, Server
from labelbench_ray.errors import ConfigError, unknown

LABEL: Final = "label"
"""The control whose choices are the classes."""
UNSURE: Final = "unsure"
"""The control with one box, for an annotator who does not know."""
SHORTEST_TITLE, LONGEST_TITLE = 3, 50
SAMPLING: Final = "Uncertainty sampling"
"""Tasks in the order of their predictions' scores: the strategy's order."""
ALL_OR_NONE: Final = "Choose all that apply. For none of them, submit without a choice."
SHOWS: Final = "show_collab_predictions"
"""The setting by which annotators see predictions."""
BESIDE: Final = "display: flex; gap: 1em"
"""Below an image that fills the page nobody finds the last classes."""
NOT_IN_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
OBJECTS: Final = {
    "image": ("Image", "image", {"zoom": "true", "zoomControl": "true"}),
    "text": ("Text", "text", {"valueType": "text"}),
    "table": ("Text", "text", {"valueType": "text"}),
    "audio": ("Audio", "audio", {"player": "html5", "decoder": "none"}),
}
"""By modality: the tag that shows a row, its name, which is also the key in a task's data, and its attributes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a campaign needs of its project."""

    title: str
    modality: str
    classes: tuple[str, ...]
    several: bool = False
    """Whether a row may have several classes."""
    answers_a_row: int = 1
    """How many annotators label each row."""
    show_predictions: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError for what Label Studio cannot show."""
        if not SHORTEST_TITLE <= len(self.title) <= LONGEST_TITLE:
            raise ConfigError(
                f"project {self.title!r}: {len(self.title)} characters; Label Studio takes {SHORTEST_TITLE} to "
                f"{LONGEST_TITLE}, so give another --project"
            )
        if self.modality not in OBJECTS:
            raise ConfigError(f"{unknown('Label Studio page for the modality', self.modality, OBJECTS)}; people cannot "
                              "look at these rows")  # fmt: skip
        for name in self.classes:
            if not name.strip() or NOT_IN_XML.search(name):
                raise ConfigError(f"class {name!r}: empty, or with characters that no page shows; rename it")

    @property
    def data_key(self) -> str:
        """The key of a row in a task's data."""
        return OBJECTS[self.modality][1]

    @property
    def settings(self) -> Json:
        """The project, as it is made."""
        return {
            "title": self.title,
            "label_config": label_config(self),
            "sampling": SAMPLING,
            "maximum_annotations": self.answers_a_row,
            "skip_queue": "REQUEUE_FOR_OTHERS",
            SHOWS: self.show_predictions,
        }


def label_config(wanted: Wanted) -> str:
    """The page on which a row is labeled, as XML: what is shown, and beside it the classes and a box for "unsure"."""
    tag, name, attributes = OBJECTS[wanted.modality]
    page = ElementTree.Element("View", {"style": BESIDE} if tag == "Image" else {})
    shown, choices = (ElementTree.SubElement(page, "View", {"style": style}) for style in ("flex: 3", "flex: 2"))
    ElementTree.SubElement(shown, tag, {"name": name, "value": f"${name}", **attributes})
    if wanted.several:
        ElementTree.SubElement(choices, "Header", {"value": ALL_OR_NONE, "size": "6"})
    for control, choice, values in (
        (LABEL, "multiple" if wanted.several else "single", wanted.classes),
        (UNSURE, "multiple", (UNSURE,)),
    ):
        of_control = ElementTree.SubElement(choices, "Choices", {"name": control, "toName": name, "choice": choice})
        for value in values:
            ElementTree.SubElement(of_control, "Choice", {"value": value})
    return ElementTree.tostring(page, encoding="unicode")


def find_project(server: Server, named: str) -> Json | None:
    """The project with this number or title; None if there is none.

    Raises:
        ConfigError: several have the title.
    """
    if named.isdecimal():
        return server.project(int(named))
    found = [project for project in server.projects() if project.get("title") == named]
    if len(found) > 1:
        numbers = ", ".join(str(project.get("id")) for project in found)
        raise ConfigError(f"--project {named!r}: the projects {numbers} have that title; give one of the numbers")
    return found[0] if found else None


def found_or_made(server: Server, named: str, wanted: Wanted) -> Json:
    """The campaign's project: an existing one that fits, or a new one.

    An existing one is changed to show predictions once a batch has some: its first batch cannot have any.

    Raises:
        ConfigError: the existing one does not fit.
    """
    project = find_project(server, named)
    if project is None:
        return server.create_project(wanted.settings)
    check_project(project, wanted)
    if wanted.show_predictions and not project.get(SHOWS):
        return server.change_project(int(project["id"]), {SHOWS: True})
    return project


def check_project(project: Mapping[str, Any], wanted: Wanted) -> None:
    """Refuse a project that offers other classes, or asks other numbers of annotators."""
    name = f"project {project.get('title')!r} ({project.get('id')})"
    offered, choice = choices_of(str(project.get("label_config", "")))
    if missing := [each for each in wanted.classes if each not in offered]:
        raise ConfigError(
            f"{name}: its page does not offer the class {missing[0]!r} ({_have(offered)}); add it under Settings > "
            "Labeling Interface, or give a new --project"
        )
    if (choice == "multiple") != wanted.several:
        raise ConfigError(
            f"{name}: its page takes {'several classes' if choice == 'multiple' else 'one class'} a row, and the "
            "campaign does not; give a new --project"
        )
    if (most := project.get("maximum_annotations")) != wanted.answers_a_row:
        raise ConfigError(
            f"{name}: asks {most} annotators a row, and the campaign {wanted.answers_a_row}; give a new --project"
        )


def choices_of(config: str) -> tuple[Sequence[str], str]:
    """The classes that a page offers, and whether one may choose "single" or "multiple" of them."""
    try:
        view = ElementTree.fromstring(config)
    except ElementTree.ParseError:
        return (), ""
    for choices in view.iter("Choices"):
        if choices.get("name") == LABEL:
            return [each.get("value", "") for each in choices.iter("Choice")], choices.get("choice", "single")
    return (), ""


def _have(offered: Sequence[str]) -> str:
    return f"it offers {', '.join(offered)}" if offered else f"it has no choices called {LABEL!r}"
