"""The message at the end of a run: what is sent, and that a receiver that fails changes nothing and shows no secret."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labelbench_ray import run
from labelbench_ray.api import webhook
from labelbench_ray.config import vary
from labelbench_ray.console.redaction import redacted_command
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.origin import command_line
from tests.full_trials import DIGITS

SECRET = "T0/B0/s3cret"


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets, and answers with a status."""

    answer = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("answer", [200, 500])
def test_one_message_at_the_end_whatever_is_answered(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: int
):
    receiver.answer = answer
    places = {"runs": tmp_path / "runs", "store": tmp_path / "store"}
    tracking = f"sqlite:///{tmp_path / 'mlflow.db'}"
    trial = vary(DIGITS, rounds=1)
    outcome = run([trial], name="study", executor="local", tracking_uri=tracking, webhook=receiver.address, **places)
    assert outcome.done
    assert receiver.got == [
        {
            "experiment": "study",
            "status": "done",
            "exit_status": 0,
            "trials": 1,
            "counts": {"done": 1},
            "report": str(outcome.report),
        }
    ]
    printed = capsys.readouterr().out
    assert ("was not reached: HTTPError 500; the run is not affected" in printed) == (answer == 500)
    assert "s3cret" not in printed
    written = [path for path in outcome.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if b"s3cret" in path.read_bytes()]


def test_a_receiver_that_is_not_there_is_reported_without_the_secret(receiver: Receiver):
    address = receiver.address
    receiver.server_close()
    problem = webhook.post(address.replace(str(receiver.server_port), "1"), {})
    assert problem == "the webhook http://127.0.0.1/*** was not reached: URLError; the run is not affected"


@pytest.mark.parametrize("address", ["hooks.example.org/s3cret", "file:///etc/s3cret", "https:///s3cret"])
def test_another_address_is_refused_without_its_secret(address: str):
    with pytest.raises(ConfigError, match="it begins with https:// or http://") as refused:
        webhook.check_webhook(address)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("words", [["--webhook", "https://h/s3cret"], ["--webhook=https://h/s3cret"]])
def test_a_command_is_shown_without_the_address(words: list[str]):
    assert " ".join(redacted_command(["run", *words, "--tiny"])).replace("=", " ") == "run --webhook *** --tiny"


def test_the_recorded_command_does_not_have_the_address():
    words = ["labelbench", "run", "study.py", "--webhook", "https://hooks.example.org/s3cret"]
    assert command_line(words) == "labelbench run study.py --webhook '***'"
