"""A trial that people answer in Label Studio: it asks there, waits, and goes on as with answers in files."""

import pytest

from labelbench_ray.config import Part, vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.oracles import Question, label_studio
from labelbench_ray.oracles.label_studio import LabelStudio
from labelbench_ray.trial import parts
from tests.answers.label_studio.fake import FakeServer
from tests.oracles.campaigns import CLASSES, TRIAL, Campaign, make_campaign, truth
from tests.oracles.questions import Asked

ORACLE = Part.of("label_studio", url="http://labels.example", project="tickets")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer()
    monkeypatch.setattr(label_studio, "Server", lambda url: fake)
    return fake


def asked(server: FakeServer, tmp_path, overlap: int = 1) -> tuple[LabelStudio, Question]:
    """An oracle that has posted a question about three rows."""
    oracle = LabelStudio(url="http://labels.example/", project="tickets", overlap=overlap)
    question = Asked(tmp_path / "trial", ["007", "b", "c"], ("cat", "dog")).question()
    oracle.post(question)
    return oracle, question


def test_a_trial_chooses_the_same_rows_as_with_answers_in_files(tmp_path, server: FakeServer):
    files = Campaign(make_campaign(tmp_path / "files")).finish()
    campaign = Campaign(make_campaign(tmp_path / "server"), vary(TRIAL, oracle=ORACLE))
    for number in range(3):
        words = campaign.step()
        assert words.startswith(f"round {number} awaits 5 of 5 labels")
        assert "LABEL_STUDIO_API_KEY holds the token" in words
        assert campaign.step() == words  # asked again, with no task twice
        tasks = server.in_projects[1][5 * number :]
        assert len(server.in_projects[1]) == 5 * (number + 1)
        assert [task["predictions"][0]["score"] for task in tasks] == [0.2, 0.4, 0.6, 0.8, 1]
        assert [task["data"]["text"].split()[-1] for task in tasks] == [task["meta"]["row_id"] for task in tasks]
        for task in tasks:
            server.annotate(task["meta"]["row_id"], truth(task["meta"]["row_id"]))
    assert campaign.step() == ""
    assert [(each.chosen, each.labels) for each in campaign.records] == [(each.chosen, each.labels) for each in files]
    (project,) = server.made
    assert project["title"] == "tickets"
    assert all(f'value="{name}"' in project["label_config"] for name in CLASSES)


def test_answers_are_those_of_the_round_and_the_trial_alone(tmp_path, server: FakeServer):
    oracle, question = asked(server, tmp_path)
    server.annotate("007", "dog")
    assert oracle.answer(question).tolist() == [1, -1, -1]
    later = Asked(tmp_path / "trial", ["007"], round=1).question()
    other = Asked(tmp_path / "other trial", ["007"]).question()
    assert oracle.answer(later).tolist() == oracle.answer(other).tolist() == [-1]


def test_what_cannot_be_used_is_named_with_its_place_and_the_fix(tmp_path, server: FakeServer):
    oracle, question = asked(server, tmp_path)
    server.annotate("007", "bird")
    server.annotate("b", was_cancelled=True)
    server.annotate("c", "cat", "dog")
    assert oracle.answer(question).tolist() == [-1, -1, -1]
    assert oracle.refused(question) == (
        "http://labels.example, project 1: row 'b' was skipped; label it, since a round needs all its rows",
        "http://labels.example, project 1: row 'c' has the classes cat, dog; choose exactly one",
        "http://labels.example, project 1: row '007': no class called 'bird' (have: cat, dog); correct the label",
    )


def test_several_annotators_have_to_agree(tmp_path, server: FakeServer):
    oracle, question = asked(server, tmp_path, overlap=2)
    assert server.made[0]["maximum_annotations"] == 2
    server.annotate("007", "cat")
    assert oracle.answer(question).tolist() == [-1, -1, -1]
    second = server.annotate("007", "dog", user=2)
    assert oracle.refused(question) == (
        "http://labels.example, project 1: row '007' has different labels of its annotators; correct one of them",
    )
    second["result"][0]["value"]["choices"] = ["cat"]
    assert oracle.answer(question).tolist() == [0, -1, -1]


def test_before_the_first_push_nothing_is_answered(tmp_path, server: FakeServer):
    oracle = LabelStudio(url="http://labels.example", project="tickets")
    assert oracle.answer(Asked(tmp_path, ["a"]).question()).tolist() == [-1]
    assert server.made == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "labels.example", "project": "tickets"}, "not an address; it begins with http:// or https://"),
        ({"url": "http://me:word@labels.example", "project": "tickets"}, "holds a user or a password"),
        ({"url": "http://labels.example", "project": "ab"}, "project"),
        ({"project": "tickets"}, "url"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_runs(settings: dict, words: str):
    with pytest.raises(ConfigError, match=words) as caught:
        parts.build(vary(TRIAL, oracle=Part.of("label_studio", **settings)))
    assert "word@" not in str(caught.value)
