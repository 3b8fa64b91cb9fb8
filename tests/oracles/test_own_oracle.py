"""An oracle in one file of the user's own: the one that docs/annotation.md shows, and those that answer wrongly."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from labelbench_ray.commands.cli import app
from labelbench_ray.config import SIMULATED, Part, Trial, vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.records import Header
from labelbench_ray.tracking.runs import parameters
from labelbench_ray.trial import parts
from tests.full_trials import Home, make_home, make_store
from tests.samples import write_module

PAGE = Path(__file__).parent.parent.parent / "docs" / "annotation.md"
TRIAL = Trial(
    dataset=Part.of("parquet", path="texts", payload="text", row_id="key"),
    encoder=Part(name="tests.word_counts"),
    strategy="margin",
    trainer=Part(name="logistic"),
    seed=0,
    rounds=3,
    budget=5,
)
RETURNS = """
import numpy as np
from labelbench_ray.oracles import Oracle

class Mine(Oracle):
    def answer(self, question):
        return {returned}
"""


def texts(folder: Path) -> Home:
    """A pool of texts, every third a question, with labels that say something else; and its store."""
    rng = np.random.default_rng(0)
    (folder / "texts").mkdir()
    for split, rows in (("train", 80), ("test", 40)):
        words = [" ".join(rng.choice(["red", "green", "blue", "who", "why"], 6)) for _ in range(rows)]
        columns = {
            "text": [f"{text} {split} {row}" + ("?" if row % 3 == 0 else "") for row, text in enumerate(words)],
            "label": rng.choice(["no", "yes"], rows).tolist(),
            "key": [f"{split}-{row}" for row in range(rows)],
        }
        pq.write_table(pa.table(columns), folder / "texts" / f"{split}.parquet")
    make_store(TRIAL, folder / "store", folder)
    return make_home(folder, folder / "store")


def test_the_oracle_that_the_docs_show_answers_from_the_texts(tmp_path, monkeypatch):
    *_, shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    home = texts(tmp_path)
    trial = vary(TRIAL, oracle=write_module(tmp_path, "own", shown, monkeypatch))
    for strategy in ("margin", "galaxy"):
        records = home.run(vary(trial, strategy=strategy))
        keys = home.keys(trial)
        for record in records:
            expected = [int(int(keys[row].removeprefix("train-")) % 3 == 0) for row in record.chosen]
            assert list(record.labels) == expected
        assert len(records) == 3


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("np.full(len(question.ids_B), 2)", "returned 2 for row 'train-.*'; an oracle returns one class number for"),
        ("np.full(len(question.ids_B), -1)", "returned -1 for row"),
        ("np.zeros(3, np.int64)", r"returned int64 of shape \(3,\) for 5 rows"),
        ("np.zeros(len(question.ids_B))", r"returned float64 of shape \(5,\) for 5 rows; .* as int64"),
        ("[0] * len(question.ids_B)", "returned list for 5 rows"),
        ("None", "returned NoneType for 5 rows"),
    ],
)
def test_an_oracle_that_does_not_return_labels_is_named(tmp_path, monkeypatch, returned: str, words: str):
    home = texts(tmp_path)
    name = write_module(tmp_path, "wrong", RETURNS.format(returned=returned), monkeypatch)
    with pytest.raises(ConfigError, match=rf"oracle {re.escape(name)}: {words}"):
        home.run(vary(TRIAL, oracle=name))


def test_the_default_oracle_is_in_no_recipe_and_in_no_record(tmp_path):
    spelt_out = vary(TRIAL, oracle=Part.of("simulated"))
    built = parts.build(spelt_out)
    assert spelt_out.oracle == SIMULATED
    assert built.fingerprint == parts.build(TRIAL).fingerprint
    header = Header(fingerprint="f", trial=spelt_out, store="s", compute="c", versions={})
    assert "oracle" not in header.model_dump_json()
    assert "oracle" not in parameters(spelt_out)
    assert Header.model_validate_json(header.model_dump_json()) == header


def test_another_oracle_is_another_trial_with_its_settings_and_version(tmp_path, monkeypatch):
    text = RETURNS.format(returned="np.zeros(1, np.int64)").replace("def answer", "word: str = 'a'\n    def answer")
    name = write_module(tmp_path, "mine", text, monkeypatch)
    trials = [TRIAL, *(vary(TRIAL, oracle=Part.of(name, word=word)) for word in "ab")]
    assert len({parts.build(trial).fingerprint for trial in trials}) == 3
    assert parts.build(trials[1]).fingerprint == parts.build(vary(TRIAL, oracle=name)).fingerprint
    assert parameters(trials[2])["oracle.word"] == "b"
    assert '"oracle":{"name":' in trials[2].model_dump_json()


def test_noise_is_for_the_simulated_oracle(tmp_path, monkeypatch):
    name = write_module(tmp_path, "mine", RETURNS.format(returned="None"), monkeypatch)
    with pytest.raises(ConfigError, match=r"corrupter uniform_noise: changes the data set's labels, and the oracle"):
        parts.build(vary(TRIAL, oracle=name, corrupter="uniform_noise"))


def test_an_unknown_oracle_is_named():
    with pytest.raises(ConfigError, match="no oracle called 'simulate'; did you mean 'simulated'"):
        parts.build(vary(TRIAL, oracle="simulate"))


def test_oracles_are_listed():
    printed = CliRunner().invoke(app, ["list", "oracles"]).output
    assert "simulated" in printed
