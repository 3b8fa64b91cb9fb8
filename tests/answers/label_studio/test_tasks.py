"""Rows as tasks: the order of the strategy, no hint of a prediction, and images that a browser can open."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from labelbench_ray.answers.label_studio import pictures, tasks
from labelbench_ray.answers.label_studio.pictures import LocalFiles, UrlPrefix, data_uri, media_type
from labelbench_ray.answers.label_studio.project import Wanted
from labelbench_ray.answers.label_studio.tasks import BatchOfTasks, import_file, requests_of
from labelbench_ray.answers.to_show import FileAt, Suggestion, ToShow, batch_to_show
from labelbench_ray.errors import ConfigError

TEXTS = BatchOfTasks("campaign", "batch", batch_to_show(["b", "a"], ["first", "second"]), Wanted("abc", "text", ("x",)))


def image(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(buffer, form)
    return buffer.getvalue()


def test_a_task_holds_the_row_its_place_and_nothing_of_a_model():
    first, second = json.loads(import_file(TEXTS))
    assert first == {
        "data": {"text": "first"},
        "meta": {"row_id": "b", "batch": "batch", "campaign": "campaign"},
        "predictions": [{"model_version": "labelbench", "score": 0.5, "result": []}],
    }
    assert second["predictions"][0]["score"] == 1


def test_suggestions_are_sent_only_when_they_are_to_be_seen():
    row = ToShow("a", "text", 1.0, Suggestion(("x", "y"), "model 7"))
    assert TEXTS.task(row)["predictions"][0]["result"] == []
    assert "model" not in TEXTS.task(row)["meta"]
    shown = replace(TEXTS, wanted=replace(TEXTS.wanted, show_predictions=True)).task(row)
    (result,) = shown["predictions"][0]["result"]
    assert result == {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["x", "y"]}}
    assert shown["meta"]["model"] == "model 7"
    assert shown["predictions"][0]["model_version"] == "labelbench"  # one version, so that later batches are in order


def test_requests_are_limited_in_tasks_and_bytes(monkeypatch):
    rows = batch_to_show([f"{number}" for number in range(7)], ["t" * 300] * 7)
    monkeypatch.setattr(tasks, "MOST_TASKS", 3)
    assert [len(request) for request in requests_of(TEXTS, rows)] == [3, 3, 1]
    monkeypatch.setattr(tasks, "MOST_BYTES", 1100)
    assert [len(request) for request in requests_of(TEXTS, rows)] == [2, 2, 2, 1]
    assert [task["meta"]["row_id"] for request in requests_of(TEXTS, rows) for task in request] == [*"0123456"]
    assert list(requests_of(TEXTS, [])) == []


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (image("PNG"), "image/png"), (image("JPEG"), "image/jpeg"), (image("GIF"), "image/gif"),
        (image("BMP"), "image/bmp"), (image("TIFF"), "image/tiff"), (image("WEBP"), "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"), (b"fLaC", "audio/flac"), (b"", "application/octet-stream"),
    ],
)  # fmt: skip
def test_a_data_uri_states_what_the_file_is(data: bytes, kind: str, tmp_path: Path):
    assert media_type(data) == kind
    (tmp_path / "file").write_bytes(data)
    for payload in (data, FileAt(str(tmp_path / "file"))):
        head, _, content = data_uri(ToShow("a", payload, 1.0)).partition(",")
        assert head == f"data:{kind};base64"
        assert base64.b64decode(content) == data


def test_local_files_are_named_below_the_document_root_of_the_server(tmp_path: Path):
    row = ToShow("a", FileAt(str(tmp_path / "photos" / "a cat & dog?.jpg")), 1.0)
    assert LocalFiles(tmp_path)(row) == "/data/local-files/?d=photos/a%20cat%20%26%20dog%3F.jpg"
    assert LocalFiles(tmp_path).folder(tmp_path / "photos") == str(tmp_path / "photos")
    assert LocalFiles(tmp_path, "/files").folder(tmp_path / "photos") == "/files/photos"
    with pytest.raises(
        ConfigError, match=r"is the pool's folder itself, .*; start it with LABEL_STUDIO_LOCAL_FILES_DOC"
    ):
        LocalFiles(tmp_path).folder(tmp_path)
    with pytest.raises(ConfigError, match=r"not below .*elsewhere, the document root of Label Studio; give the"):
        LocalFiles(tmp_path / "elsewhere")(row)


def test_a_url_prefix_and_the_row_id_are_an_address():
    assert (
        UrlPrefix("https://x.example/photos/")(ToShow("c/a b.jpg", b"", 1.0)) == "https://x.example/photos/c/a%20b.jpg"
    )
    with pytest.raises(ConfigError, match="--url-prefix '/photos': not an address"):
        UrlPrefix("/photos")


@pytest.mark.parametrize(
    ("row", "address", "words"),
    [
        (ToShow("a", b"bytes", 1.0), LocalFiles(Path("/")), "row 'a': its image or sound is not a file of its own"),
        (ToShow("a", FileAt("s3://b/a.jpg"), 1.0), data_uri, "s3://b/a.jpg is not a file of this machine"),
        (ToShow("a", FileAt("/not/there.jpg"), 1.0), data_uri, "/not/there.jpg: cannot be read"),
        (ToShow("a", bytes(pictures.MOST_EMBEDDED + 1), 1.0), data_uri, "1,000,001 bytes; --images data-uri takes up"),
    ],
)
def test_rows_that_cannot_be_shown_so_are_refused(row: ToShow, address: pictures.Address, words: str):
    with pytest.raises(ConfigError, match=words):
        address(row)
