"""Addresses of Ray clusters: what is not one is refused in one line, before anything else is done. No Ray."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest

from labelbench_ray.cluster import servers
from labelbench_ray.cluster.address import check_address, check_answers
from labelbench_ray.cluster.servers import CHECK_ALIVE, PING, check_ray_answers
from labelbench_ray.errors import ConfigError


@pytest.mark.parametrize(
    "address", [None, "auto", "127.0.0.1:6379", "head.cluster:6379", "ray://head:10001", "[::1]:1"]
)
def test_an_address_of_a_cluster_is_taken(address: str | None):
    check_address(address)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "https://head"])
def test_the_address_of_a_job_server_is_named_as_such(address: str):
    with pytest.raises(ConfigError, match=r"is for `ray job submit`.*; here give auto, HOST:6379 or ray://HOST:10001"):
        check_address(address)


@pytest.mark.parametrize(
    "address", ["", "nonsense", "head", "head:", ":6379", "head:99999", "head:0", "ray://", "ftp://h:1", "a b:1"]
)
def test_what_is_no_address_is_refused_with_the_rule(address: str):
    with pytest.raises(ConfigError, match=r"is not the address of a Ray cluster: auto, HOST:PORT or ray://HOST:PORT"):
        check_address(address)


def test_an_address_where_nobody_listens_is_refused():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(ConfigError, match="no Ray cluster answers there"):
            check_answers(address)
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_answers(f"127.0.0.1:{server.getsockname()[1]}")


@contextmanager
def grpc_server(answers: dict[str, grpc.StatusCode]) -> Iterator[int]:
    """A gRPC server on loopback that answers these methods with these statuses; its port."""

    class Methods(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            status = answers.get(details.method)
            if status is None:
                return None

            def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
                if status is not grpc.StatusCode.OK:
                    context.abort(status, "refused")
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(1), [Methods()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0)


@contextmanager
def http_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def silent_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("begins", ["", "ray://"])
@pytest.mark.parametrize("server", [http_server, silent_server])
def test_an_address_that_accepts_and_is_not_ray_is_refused_in_one_line(server, begins, monkeypatch):
    monkeypatch.setattr(servers, "ANSWER_SECONDS", 1.0)
    with server() as port, pytest.raises(ConfigError, match="what listens there does not answer by gRPC") as raised:
        check_ray_answers(f"{begins}127.0.0.1:{port}")
    assert "\n" not in str(raised.value)


def test_the_port_of_the_head_and_that_of_the_client_server_are_not_taken_for_each_other():
    head, client = ({method: grpc.StatusCode.OK} for method, _ in (CHECK_ALIVE, PING))
    with grpc_server(head) as port:
        check_ray_answers(f"127.0.0.1:{port}")
        with pytest.raises(ConfigError, match=r"is not a client server of a cluster\); HOST:6379 is the port of"):
            check_ray_answers(f"ray://127.0.0.1:{port}")
    with grpc_server(client) as port:
        check_ray_answers(f"ray://127.0.0.1:{port}")
        with pytest.raises(ConfigError, match=r"is not the head of a cluster\).*, ray://HOST:10001 that of its client"):
            check_ray_answers(f"127.0.0.1:{port}")


def test_a_missing_token_is_for_ray_to_explain():
    with grpc_server({CHECK_ALIVE[0]: grpc.StatusCode.UNAUTHENTICATED}) as port:
        check_ray_answers(f"127.0.0.1:{port}")


EXPERIMENT = """from labelbench_ray.config import Trial


def go() -> list[Trial]:
    return [Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=1, budget=10)]
"""


def test_the_command_ends_with_status_2_and_one_line(tmp_path: Path):
    """As a user meets it, in a process of its own; the longest of these waits."""
    (tmp_path / "exp.py").write_text(EXPERIMENT)
    with silent_server() as port:
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "labelbench_ray", "run", "exp.py"],
            cwd=tmp_path,
            env=os.environ | {"RAY_ADDRESS": f"127.0.0.1:{port}", "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        waited = time.monotonic() - began
    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: --address 127.0.0.1:{port} (or RAY_ADDRESS): no Ray cluster answers there")
    assert "Traceback" not in ended.stderr
    assert waited < 60, "on a loaded machine; 10 s of it are the wait"
