"""Projects of Label Studio: the page offers the classes as they are written; a project that does not fit is refused."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from labelbench_ray.answers.label_studio.client import TOKEN, Server
from labelbench_ray.answers.label_studio.project import (
    SHOWS,
    Wanted,
    check_project,
    choices_of,
    found_or_made,
    label_config,
)
from labelbench_ray.errors import ConfigError
from tests.answers.label_studio.stand_in import Reply, StandIn, stand_in

CLASSES = ('"quoted" & <b>', "l'été", "  spaces ", "two\nlines", "猫", "NA")
WANTED = Wanted("tickets", "text", ("bug", "praise"))


@pytest.mark.parametrize("modality", ["image", "text", "audio", "table"])
def test_the_page_shows_the_row_and_offers_the_classes_as_they_are_written(modality: str):
    wanted = Wanted("a pool", modality, CLASSES)
    page = ElementTree.fromstring(label_config(wanted))
    shown = page[0][0]
    assert shown.get("value") == f"${wanted.data_key}"
    assert {choices.get("toName") for choices in page.iter("Choices")} == {shown.get("name")}
    assert choices_of(label_config(wanted)) == ([*CLASSES], "single")
    assert "alias" not in label_config(wanted)


def test_several_classes_may_be_chosen_where_rows_have_several():
    page = label_config(Wanted("a pool", "text", ("a", "b"), several=True))
    assert choices_of(page) == (["a", "b"], "multiple")
    assert "For none of them, submit without a choice" in page
    assert "<Header" not in label_config(WANTED)


def test_annotators_do_not_see_predictions_unless_asked():
    assert WANTED.settings[SHOWS] is False
    assert WANTED.settings["maximum_annotations"] == 1
    assert WANTED.settings["sampling"] == "Uncertainty sampling"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": "ab"}, "project 'ab': 2 characters; Label Studio takes 3 to 50"),
        ({"title": "x" * 51}, "51 characters"),
        ({"modality": "embedding"}, "no Label Studio page for the modality called 'embedding'"),
        ({"classes": ("a", "\0")}, r"class '\\x00': empty, or with characters that no page shows"),
        ({"classes": (" ",)}, "class ' ': empty"),
    ],
)
def test_what_label_studio_cannot_show_is_refused(change: dict, words: str):
    with pytest.raises(ConfigError, match=words):
        Wanted(**{"title": "a pool", "modality": "text", "classes": ("a",)} | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label_config": label_config(Wanted("x" * 3, "text", ("bug",)))},
         "project 'tickets' \\(3\\): its page does not offer the class 'praise' \\(it offers bug\\)"),
        ({"label_config": "<View/>"}, "it has no choices called 'label'"),
        ({"label_config": "<View"}, "it has no choices called 'label'"),
        ({"label_config": label_config(Wanted("x" * 3, "text", ("bug", "praise"), True))},
         "its page takes several classes a row, and the campaign does not"),
        ({"maximum_annotations": 3}, "asks 3 annotators a row, and the campaign 1"),
    ],
)  # fmt: skip
def test_a_project_that_does_not_fit_is_refused(change: dict, words: str):
    fits = {"id": 3, **WANTED.settings}
    check_project(fits, WANTED)
    with pytest.raises(ConfigError, match=words):
        check_project(fits | change, WANTED)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv(TOKEN, "0" * 40)
    with stand_in() as running:
        yield running


def projects(*found: dict) -> Reply:
    return Reply({"results": [*found], "count": len(found)})


def test_a_project_is_made_once_and_found_by_title_or_number(server: StandIn):
    made = {"id": 3, **WANTED.settings}
    server.answer("GET /api/projects/", projects({"id": 1, "title": "other"}), projects(made))
    server.answer("POST /api/projects/", Reply(made, 201))
    server.answer("GET /api/projects/3/", Reply(made))
    client = Server(server.url)
    assert found_or_made(client, "tickets", WANTED) == made
    assert found_or_made(client, "tickets", WANTED) == made
    assert found_or_made(client, "3", WANTED) == made
    assert [asked.body for asked in server.asked if asked.method == "POST"] == [WANTED.settings]


def test_a_project_that_hid_predictions_shows_them_once_a_batch_has_some(server: StandIn):
    hides = {"id": 3, **WANTED.settings}
    server.answer("GET /api/projects/", projects(hides))
    server.answer("PATCH /api/projects/3/", Reply(hides | {SHOWS: True}))
    found_or_made(Server(server.url), "tickets", WANTED)
    assert found_or_made(Server(server.url), "tickets", replace(WANTED, show_predictions=True))[SHOWS] is True
    assert [asked.body for asked in server.asked if asked.method == "PATCH"] == [{SHOWS: True}]


def test_two_projects_of_one_title_are_named_by_number(server: StandIn):
    server.answer("GET /api/projects/", projects(*({"id": number, "title": "tickets"} for number in (3, 8))))
    with pytest.raises(ConfigError, match="--project 'tickets': the projects 3, 8 have that title; give one of the"):
        found_or_made(Server(server.url), "tickets", WANTED)
