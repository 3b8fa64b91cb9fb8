"""Calls of Label Studio's API against a stand-in: the token stays where it is, and errors are one line with a fix."""

import logging
import pickle
import re
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelbench_ray.answers.label_studio.client import TOKEN, Server, ServerError, checked_url
from labelbench_ray.errors import UserError
from tests.answers.label_studio.stand_in import Reply, StandIn, stand_in

SECRET = "0123456789abcdef0123456789abcdef01234567"
PERSONAL = "eyJhbGciOiJI.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"
NOTHING = {"results": [], "count": 0}


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, SECRET)


def refused(url: str, seconds: float = 5) -> str:
    """The one line of the error that a listing of projects ends with; it holds the secret nowhere."""
    with pytest.raises(UserError) as caught:
        list(Server(url, seconds).projects())
    everything = "".join(traceback.format_exception(caught.value, chain=True))
    assert caught.value.__context__ is None
    for text in (everything, repr(caught.value), repr(pickle.dumps(caught.value))):
        assert SECRET not in text
        assert PERSONAL not in text
    (line,) = str(caught.value).splitlines()
    return line


def test_a_legacy_token_is_sent_as_it_is(server: StandIn):
    server.answer("GET /api/projects/", Reply({"results": [{"id": 3}], "count": 1}))
    assert list(Server(server.url).projects()) == [{"id": 3}]
    assert [asked.headers["Authorization"] for asked in server.asked] == [f"Token {SECRET}"]


def test_a_personal_token_is_exchanged_once_and_again_when_the_short_one_has_ended(server: StandIn, monkeypatch):
    monkeypatch.setenv(TOKEN, f" {PERSONAL}\n")
    server.answer("POST /api/token/refresh", Reply({"access": "one"}), Reply({"access": "two"}))
    server.answer("GET /api/projects/", Reply(NOTHING), Reply({"detail": "expired"}, 401), Reply(NOTHING))
    client = Server(server.url)
    assert list(client.projects()) == list(client.projects()) == []
    sent = [asked.headers.get("Authorization") for asked in server.asked]
    assert sent == [None, "Bearer one", "Bearer one", None, "Bearer two"]
    assert [asked.body for asked in server.asked if asked.body] == [{"refresh": PERSONAL}] * 2


def test_pages_are_read_to_the_end(server: StandIn):
    pages = ({"tasks": [{"id": 1}, {"id": 2}], "total": 3}, {"tasks": [{"id": 3}], "total": 3})
    server.answer("GET /api/tasks/", *map(Reply, pages))
    assert [task["id"] for task in Server(server.url).tasks(7)] == [1, 2, 3]
    assert [asked.query["page"] for asked in server.asked] == [["1"], ["2"]]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply({"detail": "Invalid token."}, 401), "the token in LABEL_STUDIO_API_KEY was refused"),
        (Reply({}, 403), "the token's user may not do that; use a token of the project's owner"),
        (Reply({}, 404), "check --url and --project"),
        (Reply({}, 500), "status 500: an error of the server; read its log"),
        (Reply({"detail": f"bad Token, Authorization: Token {SECRET}"}, 400), "bad Token, Authorization: \\*\\*\\*"),
        (Reply(b"x" * 5000, 418), "status 418: x{300}\\.\\.\\.$"),
        (Reply(b"<html>"), "the answer is not JSON, or cut short; check that --url is a Label Studio server"),
        (Reply(b'{"results": [{"id": '), "the answer is not JSON, or cut short"),
        (Reply({"results": []}, cut=True), "was cut short; run the same command again|no server answers there"),
        (Reply([1]), "sent list for a page; check that --url is Label Studio"),
        (Reply({"results": 1}), "sent int for results"),
        (Reply({}, seconds=2), "no answer within 0.2 s; run the same command again, what was done stays"),
        (Reply({}, 302, {"Location": f"https://me:{SECRET}@other.example/x?token={SECRET}"}),
         "redirects to https://other.example; give that address as --url if you trust it"),
    ],
)  # fmt: skip
def test_what_a_server_refuses_is_one_line(server: StandIn, reply: Reply, words: str):
    server.answer("GET /api/projects/", reply)
    assert re.search(words, refused(server.url, 0.2 if reply.seconds else 5))


def test_a_redirect_is_not_followed_so_that_the_token_goes_nowhere_else(server: StandIn):
    with stand_in() as other:
        other.answer("GET /api/projects/", Reply(NOTHING))
        server.answer("GET /api/projects/", Reply({}, 307, {"Location": f"{other.url}/api/projects/"}))
        assert f"redirects to {other.url}" in refused(server.url)
        assert other.asked == []


def test_nothing_listens_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        line = refused(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "no server answers there (ConnectionError); start Label Studio, or correct --url" in line


def test_reading_is_tried_again_and_writing_is_not(server: StandIn):
    server.answer("GET /api/projects/", Reply({}, 503), Reply({}, 503), Reply(NOTHING))
    assert list(Server(server.url).projects()) == []
    server.answer("POST /api/projects/7/import", Reply({}, 503))
    with pytest.raises(ServerError, match="status 503"):
        Server(server.url).import_tasks(7, [{"data": {}}])
    assert [asked.method for asked in server.asked] == ["GET", "GET", "GET", "POST"]


def test_neither_proxies_nor_netrc_are_used(server: StandIn, tmp_path: Path, monkeypatch):
    (tmp_path / ".netrc").write_text("default login me password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.answer("GET /api/projects/", Reply(NOTHING))
    assert list(Server(server.url).projects()) == []
    assert server.asked[0].headers["Authorization"] == f"Token {SECRET}"


def test_nothing_is_logged_and_no_value_shows_the_token(server: StandIn, monkeypatch, caplog):
    monkeypatch.setenv(TOKEN, PERSONAL)
    server.answer("POST /api/token/refresh", Reply({"access": "eyJsecret"}))
    server.answer("GET /api/projects/", Reply(NOTHING))
    client = Server(server.url)
    with caplog.at_level(logging.DEBUG):
        assert list(client.projects()) == []
    for text in (caplog.text, repr(client), str(client)):
        assert "eyJ" not in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "LABEL_STUDIO_API_KEY is not set; copy a token from Account & Settings of Label Studio, and export it"),
        ("  ", "LABEL_STUDIO_API_KEY is not set"),
        (f"Token {SECRET}", "holds spaces or characters that no token has; copy the token alone"),
        (f"{SECRET}\r\nX-Other: 1", "holds spaces or characters that no token has"),
    ],
)
def test_a_token_that_is_missing_or_cannot_be_one(server: StandIn, monkeypatch, value: str | None, words: str):
    monkeypatch.delenv(TOKEN)
    if value is not None:
        monkeypatch.setenv(TOKEN, value)
    assert words in refused(server.url)
    assert server.asked == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("labels.example.com", "not an address; it begins with http:// or https://"),
        ("ftp://labels.example.com", "not an address"),
        ("http://", "not an address"),
        (f"https://me:{SECRET}@labels.example.com", "holds a user or a password; put the token into"),
        ("https://labels.example.com/projects/3/data", "the address of a page; give the server's, as in https://labels."),
        ("https://labels.example.com/?token=1", "the address of a page"),
    ],
)  # fmt: skip
def test_addresses_that_are_not_a_server_s(url: str, words: str):
    assert words in refused(url)


def test_an_address_may_have_a_path_and_a_slash_at_its_end():
    assert checked_url(" https://example.com/label-studio/ ") == "https://example.com/label-studio"
