"""A trial with several labels a row: recorded, resumed and on more shards the same; pairs that a plan refuses."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import tasks
from labelbench_ray.config import FineTune, Part, Trial, vary
from labelbench_ray.embeddings.store import Embedded, SplitArrays
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import Header, Ledger, RoundRecord, read_records
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies import Classifier
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.trial.traits import traits
from labelbench_ray.types import BLOCK_ROWS

TASK = tasks.create("multi_label")
CLASSES, DIMENSIONS = 4, 5
DATASET = Part.of("parquet", path="scenes", payload="image", label_list="tags")
QUICK = Part.of("supervised", epochs=3, learning_rate=0.05)
BASE = Trial(dataset=DATASET, encoder="pixels", strategy="margin", seed=0, rounds=4, budget=6, trainer=QUICK)


def make(rows: int = 150) -> Embedded:
    rng = np.random.default_rng(3)
    planes = rng.normal(size=(DIMENSIONS, CLASSES))

    def split(size: int) -> SplitArrays:
        embeddings = rng.normal(size=(size, DIMENSIONS))
        labels = (embeddings @ planes > 0.7).astype(np.int8)
        labels[rng.random(labels.shape) < 0.1] = -1
        return SplitArrays(embeddings.astype(np.float16), labels)

    pool, validation, test = split(rows), split(40), split(60)
    standardization = standardize(pool.embeddings_ND)
    return Embedded({"pool": pool, "validation": validation, "test": test}, standardization, tuple("abcd"), TASK)


EMBEDDED = make()


def header(trial: Trial) -> Header:
    built = parts.build(trial)
    return Header(
        fingerprint=built.fingerprint,
        trial=trial,
        store="memory",
        compute="numpy",
        task=built.dataset.task,
        traits=traits(built),
        versions={},
    )


def run(
    folder: Path, trial: Trial = BASE, embedded: Embedded = EMBEDDED, shards: int = 1, stop_after: int | None = None
) -> list[RoundRecord]:
    with Ledger.open(folder, header(trial)) as ledger:
        built = parts.build(trial)
        loop = Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded, shards)))
        list(islice(loop.rounds(), stop_after))
    return read_records(folder, header(trial))


def untimed(records: list[RoundRecord]) -> list[dict]:
    return [record.model_dump(exclude=COSTS) for record in records]


@pytest.mark.parametrize("trainer", [QUICK, Part(name="logistic"), Part.of("newest_only", **QUICK.settings)], ids=str)
def test_records_hold_what_was_answered_and_the_metrics_of_the_recorded_proxy(tmp_path, trainer: Part):
    trial = vary(BASE, trainer=trainer)
    records = run(tmp_path, trial)
    bought = np.concatenate([record.chosen for record in records])
    assert len(set(bought.tolist())) == 24
    answers = TASK.from_json([answer for record in records for answer in record.labels], CLASSES)
    np.testing.assert_array_equal(answers, EMBEDDED.pool.labels_N[bought])
    with Ledger.open(tmp_path, header(trial)) as ledger:
        classifier = Classifier.of_tensors(ledger.proxy(records[-1]), TASK.distribution)
    last, test = records[-1].metrics, EMBEDDED.test
    expected = TASK.of_split("Test", TASK.tally(classifier.probabilities(test.embeddings_ND), test.labels_N))
    assert {name: last[name] for name in expected} == expected
    final = (classifier.probabilities(EMBEDDED.pool.embeddings_ND) >= 0.5).astype(np.int8)
    final[bought] = answers
    known = EMBEDDED.pool.labels_N >= 0
    assert last["Labeling Accuracy"] == pytest.approx((final == EMBEDDED.pool.labels_N)[known].mean())
    assert {"Pool mAP", "Validation mAP", "Num Labeled", "Total Number of Positive", "Num Test Rows"} <= last.keys()


def test_the_record_s_json_names_the_classes(tmp_path):
    (first, *_) = run(tmp_path)
    text = (tmp_path / "rounds/000.json").read_text()
    assert '"positive"' in text
    assert first.labels[0].keys() <= {"positive", "unknown"}


def test_the_proxy_learns(tmp_path):
    records = run(tmp_path, vary(BASE, trainer="logistic", budget=25))
    assert records[-1].metrics["Test mAP"] > 0.8


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize("strategy", ["badge", "random"])
def test_a_resumed_trial_records_the_same(tmp_path, strategy: str, stop_after: int):
    trial = vary(BASE, strategy=strategy)
    complete = run(tmp_path / "complete", trial)
    run(tmp_path / "resumed", trial, stop_after=stop_after)
    assert untimed(run(tmp_path / "resumed", trial)) == untimed(complete)


def test_the_number_of_shards_changes_nothing(tmp_path):
    embedded = make(2 * BLOCK_ROWS + 100)
    one, three = (run(tmp_path / str(shards), vary(BASE, rounds=2), embedded, shards) for shards in (1, 3))
    assert untimed(one) == untimed(three)


REFUSED = {
    "strategy": ({"strategy": "bait"}, r"strategy bait: does not serve .*; use one of: badge, confidence, coreset, "),
    "a wrapper": ({"strategy": Part.of("partition", strategy="margin")}, r"strategy partition\(.*use one of: badge"),
    "first batch": ({"first_batch": "probcover"}, "first_batch probcover: does not serve"),
    "proxy": (
        {"proxy": "full_model", "encoder": "efficientnet_lite0"},
        "proxy full_model: .*use one of: linear, shallow",
    ),
    "trainer": ({"trainer": "fixmatch"}, "trainer fixmatch: .*; use one of: logistic, newest_only, supervised$"),
    "a trainer that refines one": ({"trainer": "experience_replay"}, "trainer experience_replay: does not serve"),
    "corrupter": ({"corrupter": "uniform_noise"}, "corrupter uniform_noise: .*; use one of: clean$"),
    "fine-tune": ({"finetune": FineTune(), "encoder": "efficientnet_lite0"}, "finetune: full_model does not serve"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_plug_in_that_does_not_serve_the_task_is_refused_with_those_that_do(changes: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        parts.build(vary(BASE, **changes))


def test_the_refusal_names_task_and_data_set():
    with pytest.raises(ConfigError, match=r"task 'multi_label' of the data set parquet\(label_list=tags"):
        parts.build(vary(BASE, strategy="galaxy"))


def test_a_header_of_one_label_a_row_states_neither_task_nor_metrics():
    trial = vary(BASE, dataset="digits")
    stated = header(trial).model_dump()
    assert "task" not in stated
    assert "metrics" not in stated["traits"]
    assert header(BASE).model_dump()["task"] == "multi_label"
    read = Header.model_validate_json(header(BASE).model_dump_json())
    assert read.traits is not None
    assert read.traits.metrics[0] == "Test mAP"
