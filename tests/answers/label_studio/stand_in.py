"""A server on loopback that answers as a test states, and keeps what it was asked."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    content: Any = None
    """Sent as JSON; bytes are sent as they are."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """How long it waits first."""
    cut: bool = False
    """Promises more bytes than it sends."""


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class StandIn:
    """Its address, its replies by method and path (the last one is repeated), and the requests so far."""

    url: str
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, what: str, *replies: Reply) -> None:
        """`answer("GET /api/projects/", Reply(...), ...)`."""
        self.replies[what] = list(replies)

    def reply(self, what: str) -> Reply:
        replies = self.replies.get(what, [Reply({"detail": "Not found."}, 404)])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """The server, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            state.asked.append(Asked(self.command, parts.path, parse_qs(parts.query), dict(self.headers), body))
            reply = state.reply(f"{self.command} {parts.path}")
            time.sleep(reply.seconds)
            data = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
            with suppress(BrokenPipeError):  # a client that did not wait
                self.send(reply, data)

        def send(self, reply: Reply, data: bytes) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) + 10 * reply.cut))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = self.close_connection or reply.cut

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state = StandIn(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
