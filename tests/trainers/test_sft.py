"""Fine-tuning a two-layer random model on responses (1.6, test 8): the mask of the loss, adapters, resuming."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_ray.config import FineTune, Part, Trial, vary
from labelbench_ray.embeddings.pool_rows import StoredRows
from labelbench_ray.encoders.causal_lm import CausalLm
from labelbench_ray.errors import ConfigError, DataError, LedgerError, NotProvidedError
from labelbench_ray.proxies.causal_lm_lora import CausalLmLora
from labelbench_ray.proxies.full.language_model import Adapted, adapted
from labelbench_ray.trainers.engine import language_model
from labelbench_ray.trainers.engine.language_model import fine_tune, training_rows
from labelbench_ray.trainers.sft import Sft
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_responses import by_task, response_metrics
from labelbench_ray.trial.missing_responses import Chosen, check_written
from tests.full_trials import Home, make_home, make_store, untimed
from tests.prompts import SENTINEL, TRIAL, write_prompts
from tests.small_language_model import write_language_model

LORA = CausalLmLora(rank=4, alpha=8, blocks=1, answer_tokens=3)
QUICK = Sft(epochs=2, batch_size=4, learning_rate=0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_language_model(tmp_path_factory.mktemp("model"), chat=True)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(folder: Path, **settings: object) -> Adapted:
    lora = LORA.model_copy(update=settings)
    return adapted(CausalLm(model=str(folder), max_new_tokens=4), lora, 3, "cpu")


def examples(network: Adapted) -> list:
    return [network.example(f"copy w{row}" + " a" * (row % 5), f"w{row}") for row in range(12)]


def test_8_only_the_response_and_its_end_are_learned(folder):
    network = make(folder)
    given = examples(network)
    rows = training_rows(given, 1000)
    learned = sum(label != language_model.IGNORED for row in rows for label in row["labels"])
    count = network.tokenizer
    assert learned == sum(len(count(f"w{row}")["input_ids"]) + 1 for row in range(12))
    assert all(row["input_ids"][-1] == network.end for row in rows)
    assert [len(row["labels"]) for row in rows] == [len(row["input_ids"]) for row in rows]
    with pytest.raises(
        ConfigError, match=r"12 of 12 prompts .* have more than max_length=7 tokens; set max_length=\d\d"
    ):
        training_rows(given, 7)

    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    batch = DataCollatorForLanguageModeling(pad_token_id=0)(rows)
    assert int((batch["labels"] != language_model.IGNORED).sum()) == learned, "as trl feeds them to the model"


def test_8_fresh_adapters_change_no_logits_and_adapt_the_last_block_alone(folder):
    network = make(folder)
    tokens = torch.arange(5, 25)[None]
    with torch.no_grad():
        on = network.model(input_ids=tokens).logits
        with network.model.disable_adapter():
            off = network.model(input_ids=tokens).logits
    assert torch.equal(on, off)
    names = set(network.tensors())
    assert names
    assert all(".layers.1." in name for name in names)
    assert {name.split("layers.0.")[1] for name in set(make(folder, blocks=None).tensors()) - names}


def test_likelihoods_are_those_of_single_prompts_in_float64_without_padding(folder):
    network = make(folder)
    given = examples(network)
    found = network.negative_log_likelihoods(given)
    for each, value in zip(given, found, strict=True):
        tokens = torch.tensor([[*each.prompt, *each.response]])
        with torch.no_grad():
            logits = network.model(input_ids=tokens).logits[0].double()
        start = len(each.prompt)
        costs = torch.nn.functional.cross_entropy(logits[start - 1 : -1], tokens[0, start:], reduction="sum")
        assert abs(float(costs) - value) < 1e-3 * abs(value)
    order = np.random.default_rng(0).permutation(len(given))
    again = network.negative_log_likelihoods([given[place] for place in order])
    np.testing.assert_allclose(again, found[order], rtol=1e-5)


def test_answers_are_greedy_and_do_not_depend_on_the_batch(folder):
    network = make(folder)
    prompts = ["copy one", "copy a much longer word", "x"]
    together = network.answers(prompts, 5)
    assert together == [network.answers([prompt], 5)[0] for prompt in prompts]


def test_it_learns_and_an_interrupted_fit_ends_with_the_same_adapters(folder, tmp_path, monkeypatch):
    """8: killed after the first epoch, the next process ends with the same bytes."""
    network = make(folder)
    given = examples(network)
    before = network.negative_log_likelihoods(given).mean()
    fine_tune(network, given, QUICK, 5, tmp_path / "complete")
    assert network.negative_log_likelihoods(given).mean() < before
    assert not (tmp_path / "complete").exists()

    from transformers import TrainerCallback
    from trl.trainer.sft_trainer import SFTTrainer

    class Dying(TrainerCallback):
        def on_save(self, *args: object, **kwargs: object) -> None:
            raise KeyboardInterrupt

    killed = make(folder)
    with monkeypatch.context() as deadly:
        train = SFTTrainer.train

        def dying(self: SFTTrainer, **kwargs: object) -> object:
            self.add_callback(Dying)
            return train(self, **kwargs)

        deadly.setattr(SFTTrainer, "train", dying)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(killed, given, QUICK, 5, tmp_path / "killed")
    (checkpoint,) = (tmp_path / "killed").glob("checkpoint-*")
    shutil.copytree(checkpoint, tmp_path / "killed" / "checkpoint-99")
    (tmp_path / "killed" / "checkpoint-99" / language_model.COMPLETE).unlink()  # cut short while it was written
    resumed = make(folder)
    fine_tune(resumed, given, QUICK, 5, tmp_path / "killed")
    expected, found = network.tensors(), resumed.tensors()
    assert found.keys() == expected.keys()
    assert all(found[name].tobytes() == expected[name].tobytes() for name in found)


def test_adapters_come_back_and_those_of_another_model_are_refused(folder):
    network, other = make(folder), make(folder)
    changed = {name: array + 1 for name, array in network.tensors().items()}
    other.load(changed)
    np.testing.assert_array_equal(other.tensors()[min(changed)], changed[min(changed)])
    with pytest.raises(DataError, match="not the adapters of this model"):
        make(folder, blocks=None).load(changed)


def test_metrics_count_each_task_once():
    class Split:
        groups_N, group_names = np.array([0, 0, 1]), ("copy", "sum")

    costs = by_task(np.array([3.0, 1.0, 9.0]), np.array([2, 2, 3]), Split())
    assert costs == {"copy": 1.0, "sum": 3.0}
    assert response_metrics(costs, {"copy": 1.0, "sum": 0.0}) == {
        "Test Response NLL": 2.0,
        "Test Response Likelihood": pytest.approx(np.exp(-2)),
        "Test Verified": 0.5,
        "Test Response NLL of copy": 1.0,
        "Test Response NLL of sum": 3.0,
    }


def tuned(folder: Path, **fields: object) -> Trial:
    recipe = FineTune(
        model=Part.of("causal_lm_lora", rank=4, blocks=1, answer_tokens=2),
        trainer=Part.of("sft", epochs=1, batch_size=4, learning_rate=0.02),
        budgets=(6, 12),
    )
    encoder = Part.of("causal_lm", model=str(folder), max_new_tokens=2)
    return vary(TRIAL, encoder=encoder, finetune=recipe, **fields)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Home:
    top = tmp_path_factory.mktemp("prompts")
    write_prompts(top)
    make_store(tuned(folder), top / "store", top)
    return make_home(top, top / "store")


def test_a_trial_is_fine_tuned_on_the_beginning_of_what_it_bought(home: Home, folder: Path):
    trial = tuned(folder)
    (record,) = home.run(trial)
    first = home.tune(trial, stop_after=1)
    assert list(first) == [6]
    both = home.tune(trial)
    assert both[6] == first[6]
    assert both[6].metrics["Response Tokens"] == sum(label["tokens"] for label in record.labels[:6])
    metrics = both[12].metrics
    assert metrics["Num Test Rows"] == 9
    assert 0 < metrics["Test Response Likelihood"] < 1
    assert {f"Test Response NLL of {task}" for task in ("copy", "count", "sum")} < metrics.keys()
    assert 0 <= metrics["Test Verified"] <= 1
    assert not list(home.finetune_job(trial).directory.glob("checkpoints/*"))
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if SENTINEL.encode() in path.read_bytes()], "1.6, test 7: nor do adapters"


def _tune_until_the_first_checkpoint(home: Home, trial: Trial) -> None:
    """In a process of its own, which the signal of the out-of-memory killer ends."""
    from transformers import TrainerCallback
    from trl.trainer.sft_trainer import SFTTrainer

    class Dying(TrainerCallback):
        def on_save(self, *args: object, **kwargs: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    train = SFTTrainer.train

    def dying(self: SFTTrainer, **kwargs: object) -> object:
        self.add_callback(Dying)
        return train(self, **kwargs)

    torch.set_num_threads(1)
    SFTTrainer.train = dying
    home.tune(trial)


def test_a_fine_tune_that_is_killed_and_run_again_has_an_equal_ledger(home: Home, folder: Path, tmp_path: Path):
    recipe = FineTune(
        model=Part.of("causal_lm_lora", rank=4, blocks=1, answer_tokens=2),
        trainer=Part.of("sft", epochs=2, batch_size=4, learning_rate=0.02),
        budgets=(8,),
    )
    trial = vary(tuned(folder, seed=2), finetune=recipe)
    complete, killed = (Home(replace(home.environment, runs=tmp_path / name)) for name in ("complete", "killed"))
    complete.run(trial)
    killed.run(trial)
    process = get_context("spawn").Process(target=_tune_until_the_first_checkpoint, args=(killed, trial))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(killed.finetune_job(trial).directory.rglob("checkpoint-*")), "it died after its first epoch"
    expected, found = (untimed(each.tune(trial).values()) for each in (complete, killed))
    assert len(found) == 1
    assert found == expected


def test_a_response_that_changed_since_it_was_bought_is_refused(home: Home, folder: Path, monkeypatch):
    trial = tuned(folder, seed=1)
    home.run(trial)
    honest = StoredRows.responses

    def other(self: StoredRows, ids: np.ndarray) -> list:
        return [type(each)(each.text + "!", each.tokens) for each in honest(self, ids) if each]

    monkeypatch.setattr(StoredRows, "responses", other)
    with pytest.raises(LedgerError, match=r"the response to prompt 'r\d+' is not the one that was bought"):
        home.tune(trial)


def test_prompts_without_responses_are_refused_with_the_file_to_fill_in(tmp_path: Path, folder: Path):
    write_prompts(tmp_path, without=["response"])
    trial = tuned(folder)
    make_store(trial, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    home.run(trial)
    built = parts.build(trial)
    chosen = [Chosen(built, home.folder / built.fingerprint, 12)]
    with pytest.raises(
        NotProvidedError, match=r"12 of 12 chosen prompts and 9 of 9 held-out ones have no response"
    ) as it:
        check_written(chosen, home.environment, tmp_path)
    assert str(tmp_path / "responses.csv") in str(it.value)
    assert str(tmp_path / "p" / "responses.csv") in str(it.value)
    with pytest.raises(NotProvidedError, match="6 of 6 prompts have no response, the first is 'r"):
        home.tune(trial)
    lines = (tmp_path / "responses.csv").read_text().splitlines()
    assert len(lines) == 1 + 12 + 9
    filled = [lines[0], *(f"{line}word {number}" for number, line in enumerate(lines[1:]))]
    (tmp_path / "p" / "responses.csv").write_text("\n".join(filled) + "\n")
    check_written(chosen, home.environment, tmp_path)
    assert list(home.tune(trial)) == [6, 12]


def test_responses_beyond_the_largest_budget_may_be_absent(tmp_path: Path, folder: Path):
    write_prompts(tmp_path, without=["response"])
    trial = tuned(folder)
    trial = vary(trial, finetune=trial.finetune.model_copy(update={"budgets": (6,)}))
    make_store(trial, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    home.run(trial)
    built = parts.build(trial)
    chosen = [Chosen(built, home.folder / built.fingerprint, 6)]
    with pytest.raises(NotProvidedError, match="6 of 6 chosen prompts"):
        check_written(chosen, home.environment, tmp_path)
    head, *lines = (tmp_path / "responses.csv").read_text().splitlines()
    (tmp_path / "p" / "responses.csv").write_text("\n".join([head, *(f"{line}word" for line in lines)]) + "\n")
    assert list(home.tune(trial)) == [6]


REFUSED = {
    "a classifier's trainer": ({"trainer": "supervised"}, "cannot fine-tune a language model; use the trainer"),
    "a classifier's model": ({"model": "full_model"}, "trainer sft: .* cannot train a full model"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_parts_that_do_not_fit_are_refused(folder: Path, changes: dict, message: str):
    recipe = FineTune(**({"model": "causal_lm_lora", "trainer": "sft"} | changes))
    with pytest.raises(ConfigError, match=message):
        parts.build(vary(tuned(folder), finetune=recipe))


def test_other_encoders_have_no_language_model_to_train():
    recipe = FineTune(model="causal_lm_lora", trainer="sft")
    with pytest.raises(ConfigError, match="the encoder is WordCounts; use the encoder 'causal_lm'"):
        parts.build(vary(TRIAL, finetune=recipe))
