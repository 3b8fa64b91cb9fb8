"""Addresses of Ray clusters: which there are, and whether anybody answers there. Imports no Ray."""

import re
import socket

from labelbench_ray.errors import ConfigError

ASKED_SECONDS = 5.0
"""How long an answer is waited for."""
CLIENT = "ray://"
HOST_AND_PORT = re.compile(r"([^\s/:\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
LAST_PORT = 65535


def check_address(address: str | None) -> None:
    """Refuse what is not a cluster's address: `auto`, `host:port` or `ray://host:port`.

    Raises:
        ConfigError: it is something else, such as the address that `ray job submit` takes.
    """
    if address is None or address == "auto":
        return
    if address.startswith(("http://", "https://")):
        raise ConfigError(
            f"--address {address} (or RAY_ADDRESS) is for `ray job submit`, which runs a command on the cluster; here "
            "give auto, HOST:6379 or ray://HOST:10001, or unset it for a local Ray"
        )
    found = HOST_AND_PORT.fullmatch(address.removeprefix(CLIENT))
    if not found or not 0 < int(found[2]) <= LAST_PORT:
        raise ConfigError(
            f"--address {address} (or RAY_ADDRESS) is not the address of a Ray cluster: auto, HOST:PORT or "
            "ray://HOST:PORT; unset it for a local Ray"
        )


def check_answers(address: str) -> None:
    """Refuse an address (host:port, with or without ray://) where nobody listens: Ray would try for minutes."""
    try:
        call(address.removeprefix(CLIENT))
    except OSError as error:
        raise ConfigError(
            f"--address {address} (or RAY_ADDRESS): no Ray cluster answers there ({error}); start one, or unset it for "
            "a local Ray"
        ) from error


def call(head: str) -> None:
    """Connect to host:port and hang up.

    Raises:
        OSError: nobody listens there.
    """
    host, _, port = head.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=ASKED_SECONDS).close()
