"""Prompts from parquet: splits by task and hash, responses in a column or a file beside them, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.config import Part
from labelbench_ray.datasets import Source
from labelbench_ray.datasets.prompt_rows import RespondedTable
from labelbench_ray.datasets.prompts import Prompts
from labelbench_ray.datasets.reasoning_gym import ReasoningGym
from labelbench_ray.errors import ConfigError, DataError, NotProvidedError
from labelbench_ray.planning.data_words import describe_source
from tests.prompts import ROWS, SENTINEL, TASKS, TEST_ROWS, response, write_prompts


def opened(root: Path, **settings: object) -> Source:
    return Prompts(**{"path": "p", "row_id": "row_id", "test_rows": TEST_ROWS, **settings}).open(root)


def test_splits_are_stratified_by_task_and_do_not_depend_on_the_order_of_rows(tmp_path):
    path = write_prompts(tmp_path)
    source = opened(tmp_path)
    pool, test = source.splits["pool"], source.splits["test"]
    assert (len(pool), len(source.splits["validation"]), len(test)) == (ROWS - TEST_ROWS, 0, TEST_ROWS)
    assert source.classes == tuple(sorted(TASKS))
    assert np.bincount(test.groups.numbers_N).tolist() == [3, 3, 3]
    held_out = set(test.read(0, TEST_ROWS).row_ids)
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(0).permutation(len(table))), path)
    assert set(opened(tmp_path).splits["test"].read(0, TEST_ROWS).row_ids) == held_out


def test_rows_have_no_label_and_no_response_when_they_are_read(tmp_path):
    write_prompts(tmp_path)
    records = opened(tmp_path).splits["pool"].read(0, 20)
    assert (records.labels_B == [-1, 0, 0, 0, 0]).all()
    assert SENTINEL not in repr(records)
    assert set(records.facts) == {"task", "duplicate_of"}


def test_9_of_ten_repeats_none_may_be_chosen_and_the_lowest_id_is_kept(tmp_path):
    write_prompts(tmp_path)
    pool = opened(tmp_path, test_rows=0).splits["pool"]
    repeated = pool.facts["duplicate_of"]
    assert np.flatnonzero(repeated >= 0).tolist() == list(range(50, 60))
    assert repeated[50:].tolist() == list(range(10))
    assert "duplicate_of" not in opened(tmp_path, deduplicate=False).splits["pool"].facts


def test_chat_messages_are_prompts_as_json(tmp_path):
    messages = [[{"role": "user", "content": f"hello {row % 50}"}] for row in range(ROWS)]
    write_prompts(tmp_path, prompt=messages)
    assert opened(tmp_path).splits["pool"].read(0, 1).payloads[0].startswith('[{"role": "user", "content": "hello')


@pytest.mark.parametrize("written", ["responses.csv", "responses.parquet"])
def test_responses_may_be_written_later_in_a_file_beside_the_prompts(tmp_path, written: str):
    write_prompts(tmp_path, without=["response"])
    before = opened(tmp_path)
    rows = before.splits["pool"].rows[:3]
    table = before.splits["pool"].table
    assert isinstance(table, RespondedTable)
    assert table.responses(rows) == [None, None, None]
    assert "responses.csv" in table.where_to_write()
    assert any("none yet" in line for line in describe_source(before))
    ids = table.row_ids(rows).to_pylist()
    if written.endswith("csv"):
        (tmp_path / "p" / written).write_text(f'row_id,response\n{ids[0]},"two\nlines"\n{ids[2]},  \n')
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"row_id": [ids[0]], "response": ["two\nlines"]}), tmp_path / "p" / written)
    after = opened(tmp_path)
    assert after.splits["pool"].table.responses(rows) == ["two\nlines", None, None]
    assert after.signature == before.signature, "the store was made from the same prompts"


def test_columns_of_numbers_are_facts(tmp_path):
    write_prompts(tmp_path, mean_entropy=[row / 2 for row in range(ROWS)])
    pool = opened(tmp_path, test_rows=0, facts=("mean_entropy",)).splits["pool"]
    assert pool.facts["mean_entropy"][:3].tolist() == [0, 0.5, 1]
    with pytest.raises(DataError, match="no column called 'max_entropy'"):
        opened(tmp_path, facts=("max_entropy",))


def test_an_answer_is_verified_by_the_response(tmp_path):
    write_prompts(tmp_path)
    table = opened(tmp_path).splits["pool"].table
    assert table.score(np.array([5, 6]), [f" {response(5)}\n", "other"]) == [1, 0]


def test_what_cannot_be_prompts_is_refused(tmp_path):
    with pytest.raises(NotProvidedError, match=r"prompts\.parquet"):
        opened(tmp_path)
    write_prompts(tmp_path)
    with pytest.raises(DataError, match=r"60 prompts, of which test_rows=60 are held out"):
        opened(tmp_path, test_rows=60)
    with pytest.raises(DataError, match=r"no column called 'question'"):
        opened(tmp_path, prompt="question")
    write_prompts(tmp_path, prompt=list(range(ROWS)))
    with pytest.raises(DataError, match=r"column 'prompt': holds int64; prompts are texts"):
        opened(tmp_path)
    write_prompts(tmp_path)
    (tmp_path / "p" / "responses.csv").write_text("row_id,response\nr001,a\nr001,b\n")
    with pytest.raises(DataError, match=r"row 'r001' has two responses"):
        opened(tmp_path).splits["pool"].table.responses([1])


def test_reasoning_gym_makes_the_same_prompts_again_and_verifies_answers():
    pytest.importorskip("reasoning_gym")
    settings = {"families": ("gcd", "spell_backward"), "rows": (6, 2), "test_rows": 3}
    first, again = (ReasoningGym(**settings).open(Path()) for _ in range(2))
    assert first.signature == again.signature
    assert {name: len(split) for name, split in first.splits.items()} == {"pool": 8, "validation": 0, "test": 3}
    pool, test = first.splits["pool"], first.splits["test"]
    assert pool.facts["task"].tolist() == [0] * 6 + [1] * 2
    assert test.groups.numbers_N.tolist() == [0, 0, 1]
    assert pool.read(0, 8).payloads == again.splits["pool"].read(0, 8).payloads
    answers = pool.table.responses(pool.rows)
    assert pool.table.score(pool.rows, answers) == [1] * 8
    assert max(pool.table.score(pool.rows, ["no"] * 8)) < 1
    with pytest.raises(ConfigError, match="no family of reasoning-gym called 'gdc'; did you mean 'gcd'"):
        ReasoningGym(families=("gdc",), rows=(1,)).open(Path())
    with pytest.raises(ValueError, match="rows: 8 numbers for 1 families"):
        ReasoningGym(families=("gcd",))


def test_reasoning_gym_marks_prompts_that_repeat_another_one_of_the_pool():
    pytest.importorskip("reasoning_gym")
    settings = {"families": ("coin_flip", "gcd"), "rows": (60, 6), "test_rows": 4}
    source = ReasoningGym(**settings).open(Path())
    pool = source.splits["pool"]
    prompts = pool.read(0, len(pool)).payloads
    first = {prompt: place for place, prompt in reversed(list(enumerate(prompts)))}
    assert len(first) < len(prompts), "a family with few different prompts repeats some"
    expected = [first[prompt] if first[prompt] != place else -1 for place, prompt in enumerate(prompts)]
    assert pool.facts["duplicate_of"].tolist() == expected
    assert any("prompts repeat another one" in note for note in source.findings.notes)
    assert "duplicate_of" not in ReasoningGym(**settings, deduplicate=False).open(Path()).splits["pool"].facts
    assert "duplicate_of" not in ReasoningGym(families=("gcd",), rows=(6,)).open(Path()).splits["pool"].facts


def test_the_data_sets_are_named_by_their_files():
    assert str(Part.of("prompts", path="p")) == "prompts(path=p)"
