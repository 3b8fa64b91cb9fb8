"""A campaign whose rows may have several classes: files with lists, agreement on each class, models, pages, exports."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from labelbench_ray.campaign.begin import begun
from labelbench_ray.campaign.choosing import parts_of
from labelbench_ray.campaign.export import export_labels
from labelbench_ray.campaign.ingest import ingest_files
from labelbench_ray.campaign.label_kinds import ONE_CLASS, SEVERAL_CLASSES
from labelbench_ray.campaign.label_studio import batch_of_tasks
from labelbench_ray.campaign.page import page
from labelbench_ray.campaign.places import find_pool
from labelbench_ray.campaign.record import read_campaign
from labelbench_ray.campaign.standing import chooser_of, learned, predictions, read_standing
from labelbench_ray.campaign.status import Money, campaign_status, describe_status
from labelbench_ray.campaign.words import describe_proposal
from labelbench_ray.commands.cli import app
from labelbench_ray.datasets.recognition import Stated, recognized
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part
from labelbench_ray.types import PoolView
from tests.campaign.campaigns import Home, make_home

CLASSES = ("dark", "even", "red")
MONEY = Money("EUR")
BESIDE = "'none of these' stands beside a class"


def truth(row_id: str) -> tuple[str, ...]:
    """Dark or red by turns, every third row even as well, and every seventh of none."""
    number = int(row_id.removesuffix(".png")[-2:])
    names = tuple(sorted((("dark", "red")[number % 2], *(("even",) if number % 3 == 0 else ()))))
    return () if number % 7 == 6 else names


def cell(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none of these"


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path)


def propose(home: Home, out: str, budget: int = 10, **fields):
    return home.propose(out, budget, several=True, **fields)


def fill(home: Home, out: str, answers=None, name: str = "batch.csv") -> None:
    """Fill in a batch's file, as a person does, and read it in."""
    path = home.folder / out / name
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = cell(truth(row["row_id"])) if answers is None else answers.get(row["row_id"], "")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    ingest_files(home.campaign, [path])


def test_a_campaign_from_proposal_to_labels(home):
    first = propose(home, "b0", 12, reserve=8)
    assert read_campaign(home.campaign).task == "multi_label"
    assert "with commas between classes" in describe_proposal(first, home.campaign)[-1]
    fill(home, "b0")
    assert propose(home, "b1", 12).batch.chosen_by == "margin"
    fill(home, "b1")
    standing = read_standing(home.campaign)
    asked = [row_id for batch in standing.batches for row_id in batch.row_ids]
    assert standing.found.labels == {row_id: truth(row_id) for row_id in asked}
    assert standing.classes == CLASSES
    status = campaign_status(home.campaign, home.folder / "store")
    text = "\n".join(describe_status(status, MONEY))
    empty = sum(not truth(row_id) for row_id in asked)
    assert f"({empty} rows of none)" in text
    assert "exact-set accuracy of the model of 22 labels on rows like the pool's" in text
    assert "overall uncertainty: 0." in text
    shown = page(status, MONEY, None)
    assert "none of these" in shown
    assert "Exact-set accuracy" in shown
    assert "has every class right on" in shown


def test_the_audit_counts_rows_with_every_class_right(home):
    for out in ("b0", "b1"):
        propose(home, out, 16, **({"reserve": 10} if out == "b0" else {}))
        fill(home, out)
    standing = read_standing(home.campaign)
    chooser = chooser_of(standing, home.folder / "store")
    last = learned(standing, chooser)[-1]
    point = campaign_status(home.campaign, home.folder / "store").points[-1]
    audit = [row_id for batch in standing.batches for row_id in batch.audit]
    predicted, sure = predictions(chooser, last.model, standing.rows.places(audit))
    names = SEVERAL_CLASSES.names(predicted, standing.classes)
    assert point.estimate.answered == len(audit)
    assert point.estimate.accuracy == pytest.approx(
        np.mean([{*found} == {*truth(row_id)} for found, row_id in zip(names, audit, strict=True)])
    )
    assert ((sure > 0) & (sure <= 1)).all()
    assert standing.audit.covariance(np.stack([point.predicted_R] * 2)).shape == (2, 2)


def test_what_cannot_be_read_is_rejected_by_name(home):
    batch = propose(home, "b0", 12, reserve=0, classes=("bus", "car", "dog"), given=("classes",)).batch
    rows = batch.row_ids
    answers = {
        rows[0]: "bus, cat",
        rows[1]: "dog, dog",
        rows[2]: "dog,",
        rows[3]: " dog ,bus ",
        rows[4]: "1,5",
        rows[5]: "none of these, dog",
        rows[6]: "None of these",
        rows[7]: "dog; bus",
        rows[8]: '"dog',
        rows[9]: "   ",
        rows[10]: "#NAME?",
    }
    path = home.folder / "all.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("row_id", "label"), *answers.items()])
    found = ingest_files(home.campaign, [path])
    assert found.found.labels == {rows[3]: ("bus", "dog"), rows[6]: ()}
    assert (home.campaign / "rejected.csv").is_file()
    rejected = {each.row_id: each for each in found.ingested.rejected}
    assert {*rejected} == {*answers} - {rows[3], rows[6], rows[9]}
    assert rejected[rows[0]].value == "cat"
    assert "'dog' stands twice" in rejected[rows[1]].rule
    assert "an empty name" in rejected[rows[2]].rule
    assert "numbers, dates and errors" in rejected[rows[4]].fix
    assert "beside a class" in rejected[rows[5]].rule
    assert (rejected[rows[7]].value, rejected[rows[7]].fix) == ("dog; bus", "write commas between the classes of a row")
    assert "close each quote" in rejected[rows[8]].fix
    assert "numbers, dates and errors" in rejected[rows[10]].fix


def test_learned_classes_have_no_other_marks(home):
    rows = propose(home, "b0", 4, reserve=0).batch.row_ids
    path = home.folder / "all.csv"
    path.write_text(f'row_id,label\n{rows[0]},dog;bus\n{rows[1]},"dog, bus"\n{rows[2]},none of these\n')
    found = ingest_files(home.campaign, [path])
    assert found.found.labels == {rows[1]: ("bus", "dog"), rows[2]: ()}
    (rejected,) = found.ingested.rejected
    assert "commas between the classes" in rejected.fix
    assert found.new_classes == ("bus", "dog")


def test_several_annotators_decide_each_class(home):
    batch = propose(home, "b0", 8, reserve=0, annotators=("ann", "ben", "eve"), overlap=3).batch
    given = {"ann": "dark, red", "ben": "red", "eve": "even, red"}
    for name, label in given.items():
        fill(home, "b0", dict.fromkeys(batch.row_ids[:5], label), f"batch.{name}.csv")
    fill(home, "b0", dict.fromkeys(batch.row_ids[:5], "dark, red") | {batch.row_ids[5]: "dark"}, "batch.ann.csv")
    assert read_standing(home.campaign).found.labels == dict.fromkeys(batch.row_ids[:5], ("red",))
    status = campaign_status(home.campaign, home.folder / "store")
    text = "\n".join(describe_status(status, MONEY))
    assert "agreement: 0.0 % of pairs" in text
    assert "  red: 100.0 % of pairs, alpha undefined (given 15 times)" in text
    assert "  even: 33.3 % of pairs" in text
    assert "Agreement on each class" in page(status, MONEY, None)


def test_disputed_sets_are_asked_again(home):
    people = {"annotators": ("ann", "ben", "eve"), "overlap": 2, "max_answers": 3}
    first = propose(home, "b0", 8, reserve=0, **people).batch
    for name, label in (("ann", "dark, even"), ("ben", "red, even"), ("eve", "even")):
        fill(home, "b0", dict.fromkeys(first.row_ids, label), f"batch.{name}.csv")
    second = propose(home, "b1", 8, **people).batch
    assert len(second.again) == 4
    assert {*second.again} <= {*first.row_ids}


def test_exported_lists_are_read_as_a_data_set(home):
    propose(home, "b0", 20, reserve=4)
    fill(home, "b0")
    out = home.folder / "labels.parquet"
    exported = export_labels(home.campaign, out, home.environment, predict=True)
    rows = pq.read_table(out).to_pylist()
    people = [row for row in rows if row["source"] == "people"]
    assert (exported.people, exported.model, exported.classes) == (20, 20, CLASSES)
    assert all(tuple(row["label_name"]) == truth(row["row_id"]) for row in people)
    assert all([CLASSES[number] for number in row["label"]] == row["label_name"] for row in rows)
    assert any(row["label_name"] == [] for row in people)
    found = recognized(home.folder, "labels.parquet", Stated())
    assert found.dataset.settings["label_list"] == "label"
    again = export_labels(home.campaign, home.folder / "other.parquet", home.environment, method="one_coin")
    assert again.people == 20


def test_tools_answer_with_lists(home):
    rows = propose(home, "b0", 6, reserve=0).batch.row_ids
    tasks = [
        {"row_id": rows[0], "accept": ["red", "dark"], "answer": "accept"},
        {"row_id": rows[1], "accept": [], "answer": "accept"},
        {"row_id": rows[2], "accept": ["none of these"], "answer": "accept"},
        {"row_id": rows[3], "accept": ["none of these", "red"], "answer": "accept"},
    ]
    (home.folder / "out.jsonl").write_text("".join(f"{json.dumps(task)}\n" for task in tasks))
    record = {"id": rows[4], "label.responses": [["even"]], "label.responses.users": ["ann"]}
    (home.folder / "out.json").write_text(json.dumps([record | {"label.responses.status": ["submitted"]}]))
    found = ingest_files(home.campaign, [home.folder / "out.jsonl", home.folder / "out.json"])
    assert found.found.labels == {rows[0]: ("dark", "red"), rows[1]: (), rows[2]: (), rows[4]: ("even",)}
    assert [(each.row_id, each.rule) for each in found.ingested.rejected] == [(rows[3], BESIDE)]


def test_a_data_set_of_several_labels_needs_no_option(home):
    rows = [{"text": f"text {number}", "labels": [["odd"], ["even", "odd"]][number % 2]} for number in range(20)]
    (home.folder / "tags.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    campaign = begun(find_pool(str(home.folder / "tags.jsonl"), home.folder, Stated()))
    assert (campaign.task, campaign.classes) == ("multi_label", ("even", "odd"))
    assert campaign.trial(Part(name="margin"), 4).oracle.name == "simulated"


def test_label_studio_offers_several(home):
    propose(home, "b0", 12, reserve=4, classes=CLASSES, given=("classes",))
    fill(home, "b0")
    propose(home, "b1", 6)
    from labelbench_ray.campaign.label_studio import Showing

    tasks = batch_of_tasks(home.campaign, home.folder / "store", "title", showing=Showing(predictions=True))
    assert tasks.wanted.several
    suggested = [row.suggestion for row in tasks.rows if row.suggestion]
    assert suggested
    assert all({*each.labels} <= {*CLASSES} for each in suggested)


def test_strategies_see_rows_of_zeros_and_ones(home):
    propose(home, "b0", 12, reserve=0)
    fill(home, "b0")
    propose(home, "b1", 6)  # pending
    standing = read_standing(home.campaign)
    known = standing.knowledge()
    for name in ("badge", "coreset", "random", "entropy"):
        chooser = chooser_of(standing, home.folder / "store")
        built = parts_of(standing.campaign, Part(name=name), 6)
        model = chooser.model(known, 2)
        view: PoolView = chooser.view(known, model, built.strategy)
        assert view.labels_L.shape[1:] == (3,)
        chosen = built.strategy.select(view, 4, np.random.default_rng(0))
        assert not {*chosen.tolist()} & {*known.labeled_L.tolist(), *known.pending_P.tolist()}


@pytest.mark.parametrize("labels", [{}, {0: "dark"}, {0: "none of these", 1: "none of these"}])
def test_before_two_classes_are_known(home, labels):
    rows = propose(home, "b0", 6, reserve=0).batch.row_ids
    fill(home, "b0", {rows[place]: label for place, label in labels.items()})
    found = propose(home, "b1", 6, strategy="coreset")
    assert found.batch.chosen_by == "typiclust"
    assert not {*found.batch.row_ids} & {*rows}
    word = "label" if len(labels) == 1 else "labels"
    why = f"{len(labels)} {word} of fewer than two classes: too few for a model" if labels else "no labels to learn"
    assert why in "\n".join(describe_proposal(found, home.campaign))
    text = "\n".join(describe_status(campaign_status(home.campaign, home.folder / "store"), MONEY))
    assert f"classes: {'dark 1' if len(labels) == 1 else 'none yet'}" in text


def test_refusals_name_what_does_not_fit(home):
    with pytest.raises(ConfigError, match=r"strategy galaxy: does not serve the task 'multi_label'.*margin"):
        propose(home, "b0", strategy="galaxy")
    with pytest.raises(ConfigError, match="class 'none of these': people write it"):
        propose(home, "b0", classes=("bus", "None of these"), given=("classes",))
    with pytest.raises(ConfigError, match="--weight-by-confidence: serves one class a row"):
        propose(home, "b0", weight_by_confidence=True)
    home.propose("b0", 6)
    with pytest.raises(ConfigError, match=r"--multi-label: .* began with one class a row, which stays"):
        propose(home, "b1", given=("multi_label",))
    assert b'"task"' not in (home.campaign / "campaign.json").read_bytes()


def test_other_tasks_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{number}.5,text {number}\n" for number in range(30))
    (tmp_path / "houses.csv").write_text(f"label,text\n{rows}")
    words = ["annotate", "propose", "houses.csv", "--budget", "3", "--out", "b"]
    with pytest.raises(ConfigError, match="its task is 'regression'; campaigns ask people for one class a row or seve"):
        CliRunner().invoke(app, words, standalone_mode=False, catch_exceptions=False)


def test_both_kinds_turn_names_into_numbers_and_back():
    sets = [("red",), ("dark",)]
    assert ONE_CLASS.names(ONE_CLASS.numbers(sets, CLASSES), CLASSES) == sets
    several = [("dark", "red"), (), ("even",)]
    assert SEVERAL_CLASSES.names(SEVERAL_CLASSES.numbers(several, CLASSES), CLASSES) == several
    labels, sure = SEVERAL_CLASSES.predicted(np.array([[0.9, 0.5, 0.2]], np.float32))
    assert labels.tolist() == [[1, 1, 0]]
    assert sure == pytest.approx([0.9 * 0.5 * 0.8])
    assert SEVERAL_CLASSES.uncertainty(np.array([[0.5, 0.5]], np.float32)) == pytest.approx(1)
    assert SEVERAL_CLASSES.uncertainty(np.array([[0.0, 1.0]], np.float32)) == 0
