"""Addresses of Ray clusters: what is not one is refused in one line, before anything else is done. No Ray."""

import socket

import pytest

from labelbench_ray.cluster.address import check_address, check_answers
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
