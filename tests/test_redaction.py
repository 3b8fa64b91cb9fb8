"""No password gets into what is shown."""

import io
import shutil
import string
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as draw
from rich.console import Console

from labelbench_ray import report
from labelbench_ray.commands import cli, status
from labelbench_ray.console.events import Event, logged
from labelbench_ray.console.redaction import redacted
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.trials import Failure, write_failure
from labelbench_ray.tracking.runs import read_tracked_run
from tests.test_frozen_files import FAILED, FIXTURES


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////runs/mlflow.db", "sqlite:////runs/mlflow.db"),
        ("http://user:s3cret@host:5000/path", "http://***@host:5000/path"),
        ("http://s3cret@host", "http://***@host"),
        ("hf://owner/name@main/de", "hf://owner/name@main/de"),
        ("hf://user:s3cret@host", "hf://***@host"),
        (
            "postgresql+psycopg2://user:s3cret@host/db?sslmode=require",
            "postgresql+psycopg2://***@host/db?sslmode=require",
        ),
        ("postgresql://user:s3c@re/t@host/db", "postgresql://***@host/db"),
        (
            "postgresql://host/db?user=me&password=s3cret&sslmode=require",
            "postgresql://host/db?user=me&password=***&sslmode=require",
        ),
        ("s3://bucket/prefix?access_key=s3cret", "s3://bucket/prefix?access_key=***"),
    ],
)
def test_an_address_without_who_signs_in_and_with_what(address: str, shown: str):
    assert redacted(address) == shown


def test_addresses_inside_a_text():
    text = "API request to http://u:s3cret@host/api failed, (see 'http://u:s3cret@host'); mail me@example.org"
    assert redacted(text) == "API request to http://***@host/api failed, (see 'http://***@host'); mail me@example.org"


@pytest.mark.parametrize("secret", ["s3cret", "s3%40cret"])
def test_a_password_that_stands_alone(secret: str):
    address = f"postgresql://user:{secret}@host/db"
    assert redacted("login with s3cret and s3@cret failed", address).count("***") == 1


SECRETS = {
    "bearer": ("Authorization: Bearer {}", string.ascii_letters + string.digits + "-._~+/"),
    "bearer, alone": ("the server answered 401 to 'bearer {}'", string.ascii_letters + string.digits + "-._~+/"),
    "basic": ("{{'Authorization': 'Basic {}'}}", string.ascii_letters + string.digits + "+/"),
    "shared access": ("https://name.blob.core.windows.net/box/file?sv=2024&sig={}&se=2026", string.ascii_letters + "%"),
    "shared access, alone": ("the token sv=2024&sig={}", string.ascii_letters + string.digits + "%"),
    "amazon, environment": ("AWS_SECRET_ACCESS_KEY={} python run.py", string.ascii_letters + string.digits + "/+"),
    "amazon, quoted": ("aws_secret_access_key = x, AWS_SECRET_ACCESS_KEY='{}'", string.ascii_letters + "/+ "),
    "amazon, JSON": ('{{"aws_secret_access_key": "{}", "region": "eu"}}', string.ascii_letters + "/+"),
    "amazon, signed": ("https://s3/x?X-Amz-Credential=a&X-Amz-Signature={}", string.hexdigits),
    "session": ("AWS_SESSION_TOKEN={}", string.ascii_letters + "/+="),
    "azure": (
        "AccountName=me;AccountKey={};EndpointSuffix=x",
        string.ascii_letters + "/+",
    ),
    "hub, environment": ("HF_TOKEN={}", string.ascii_letters + string.digits),
    "password": ("postgresql://user:{}@host/db", string.ascii_letters + "@/:"),
    "database": ("PGPASSWORD={} psql", string.ascii_letters + string.digits),
}
"""Where a secret may stand, and of what it may be made."""


@pytest.mark.parametrize("kind", SECRETS)
@given(data=draw.data())
def test_a_secret_is_never_shown_wherever_it_stands(kind: str, data: draw.DataObject):
    place, alphabet = SECRETS[kind]
    secret = "Zq" + data.draw(draw.text(alphabet, min_size=12, max_size=60)) + "Qz"
    before = data.draw(draw.sampled_from(["", "OSError: ", "GET http://host:80/a failed: ", 'File "x.py", line 3\n  ']))
    after = data.draw(draw.sampled_from(["", " failed", "\n  raise error", ", tried 3 times"]))
    shown = redacted(before + place.format(secret) + after)
    assert secret not in shown
    assert not any(secret[start : start + 8] in shown for start in range(len(secret) - 7)), shown
    assert "***" in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    ("prefix", "length"), [("AKIA", 16), ("ASIA", 16), ("hf_", 34), ("ghp_", 36), ("glpat-", 20), ("sk-", 40)]
)
@given(data=draw.data())
def test_a_token_is_known_by_its_looks(prefix: str, length: int, data: draw.DataObject):
    alphabet = string.ascii_uppercase + string.digits
    token = prefix + data.draw(draw.text(alphabet, min_size=length, max_size=length))
    left, right = data.draw(draw.sampled_from([("", ""), ("(", ")"), ("'", "'"), ("token ", "."), ("=", ",")]))
    shown = redacted(f"login with {left}{token}{right} failed")
    assert token[len(prefix) :] not in shown


@pytest.mark.parametrize(
    "text",
    [
        "mean_token_entropy(temperature=0.5), seed 3: 12 of 500 rows",
        "tests/inputs/hf_layout.py: no such file; hf_paths.py is there",
        "max_tokens=512, num_tokens=77, key column 'key', signature: Input should be a valid string",
        "/data/tokens/secret santa/keys.txt: row 12, KeyError: 'label'",
        "sk-learn 1.7, token authentication is on; AKIA is a prefix",
        "https://example.org/a?page=3&sort=key#key",
    ],
)
def test_what_is_no_secret_stays(text: str):
    assert redacted(text) == text


@given(draw.text())
def test_any_text_is_taken(text: str):
    redacted(text)


def test_a_long_text_takes_no_time():
    began = time.process_time()
    for piece in ("a.", "key", "secret-", "://a", "bearer ", "eyJ.", "token=", '"password": '):
        redacted(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 10


# Where errors are written.

SECRET = "AWS_SECRET_ACCESS_KEY=abcdefghijklmnop0123456789"


def test_a_failure_a_status_and_an_event_do_not_repeat_a_secret(tmp_path: Path):
    failure = Failure.of(f"OSError: {SECRET}", f"Traceback\n{SECRET}\nhttps://me:abcdefghijklmnop@host")
    assert "abcdef" not in failure.model_dump_json()
    events = tmp_path / "events.jsonl"
    environment = Environment(tmp_path, tmp_path, tmp_path, tracking_uri="", address=None, events=str(events))
    console = Console(file=io.StringIO())
    with logged("a.b", replace(environment, verbose=True), console) as event_log:
        event_log.log(Event.TRIAL_FAILED, error=f"OSError: {SECRET}")
    assert "abcdef" not in events.read_text()
    assert "abcdef" not in console.file.getvalue()  # type: ignore[attr-defined]
    assert "AWS_SECRET_ACCESS_KEY=***" in events.read_text()


def test_an_older_failure_that_holds_a_secret_does_not_reach_status_report_or_mlflow(tmp_path: Path):
    folder = shutil.copytree(FIXTURES / "be79322/recorded", tmp_path / "runs") / "frozen.frozen"
    write_failure(folder / FAILED, Failure(error=f"OSError: {SECRET}", traceback=SECRET))
    assert "abcdef" not in status.read(folder).model_dump_json()
    assert "abcdef" not in report.page(report.build(folder))
    assert "abcdef" not in str(read_tracked_run(folder / FAILED).artifacts)


def test_a_command_s_error_does_not_repeat_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["labelbench", "plan", "https://me:abcdefghijklmnop@host/x.py"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "abcdef" not in capsys.readouterr().err
