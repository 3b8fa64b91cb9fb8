"""An S3 server on loopback (moto's), with faults on demand: statuses, slowness, connections cut in the middle."""

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from labelbench_ray.storage import remote

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "loopback", "AWS_SECRET_ACCESS_KEY": "loopback", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class Fault:
    """What happens to requests that it picks; `times` of them, then they get through."""

    picks: Callable[[str, str], bool]
    """(method, path with bucket and key)"""
    status: int = 0
    """Answered instead; 0: the request is served."""
    seconds: float = 0.0
    """Waited before."""
    cut: bool = False
    """The connection is closed after half of the body was read."""
    times: int = 1 << 30


@dataclass
class Server:
    """The running server."""

    environment: dict[str, str]
    bucket: str
    """Another one for each server: moto keeps buckets with the process, and a slow answer may come after its test."""
    faults: list[Fault] = field(default_factory=list)
    met: list[tuple[str, str]] = field(default_factory=list)
    """Requests that met a fault."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def uri(self, *parts: str) -> str:
        return "/".join((f"s3://{self.bucket}", *parts))

    def keys(self, prefix: str = "") -> list[str]:
        """Every object's key, by boto3 and not by what is tested."""
        client = boto3.client("s3", **client_settings(self.environment))
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def fill(self, prefix: str, count: int) -> None:
        """Empty objects, without the time that as many requests take."""
        for number in range(count):
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self.bucket, f"{prefix}/{number:04d}", b"")

    def pick(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for place, fault in enumerate(self.faults):
                if fault.times and fault.picks(method, path):
                    self.faults[place] = Fault(fault.picks, fault.status, fault.seconds, fault.cut, fault.times - 1)
                    self.met.append((method, path))
                    return fault
        return None


def client_settings(environment: dict[str, str]) -> dict[str, str]:
    return {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "region_name": environment["AWS_REGION"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }


class Quiet(WSGIRequestHandler):
    """Requests are not logged, and connections stay open as those of a real server do."""

    protocol_version = "HTTP/1.1"

    def log(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server with one empty bucket."""
    application = DomainDispatcherApplication(create_backend_app)
    server = Server({}, f"pools-{secrets.token_hex(4)}")

    def faulty(request: dict[str, Any], respond: Callable[..., Any]) -> Any:
        fault = server.pick(request["REQUEST_METHOD"], request["PATH_INFO"])
        if fault is None:
            return application(request, respond)
        time.sleep(fault.seconds)
        if fault.cut:
            request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0) // 2)
            request["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            respond("500 Cut", [("Content-Length", "0")])  # which nobody receives; half an object must not be stored
            return [b""]
        if fault.status:
            respond(f"{fault.status} Fault", [("Content-Type", "application/xml"), ("Content-Length", "0")])
            return [b""]
        return application(request, respond)

    http = make_server("127.0.0.1", 0, faulty, threaded=True, request_handler=Quiet)
    http.daemon_threads = True
    server.environment |= CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{http.server_port}"}
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        boto3.client("s3", **client_settings(server.environment)).create_bucket(Bucket=server.bucket)
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, its address and credentials in this process's environment, and short patience."""
    with serving() as server:
        for name, value in (server.environment | {remote.RETRY_SECONDS: "5"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(remote, "REQUEST_SECONDS", 1)
        remote._store.cache_clear()
        yield server
        remote._store.cache_clear()
