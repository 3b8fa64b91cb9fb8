"""Whether a server of Ray's answers at an address: Ray itself would try for half a minute to several minutes."""

import os

import grpc

from labelbench_ray.cluster.address import CLIENT
from labelbench_ray.errors import ConfigError

ANSWER_SECONDS = 10.0
"""How long an answer is waited for."""
CHECK_ALIVE = ("/ray.rpc.NodeInfoGcsService/CheckAlive", b"")
PING = ("/ray.rpc.RayletDriver/ClusterInfo", b"\x08\x06")
"""What the head answers, and what a client server does: a method and its request, as Ray's own clients begin."""
SILENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def check_ray_answers(address: str) -> None:
    """Refuse host:port where no head of a cluster answers, and ray://host:port where no client server does.

    Raises:
        ConfigError: something else listens there. Other refusals, as of a missing token, are for Ray to explain.
    """
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):  # this question is asked without certificates
        return
    client = address.startswith(CLIENT)
    # Ray's own connections use no proxy either.
    channel = grpc.insecure_channel(address.removeprefix(CLIENT), [("grpc.enable_http_proxy", 0)])
    try:
        method, request = PING if client else CHECK_ALIVE
        channel.unary_unary(method)(request, timeout=ANSWER_SECONDS)
    except grpc.RpcError as error:
        if error.code() in SILENT:
            why = "what listens there does not answer by gRPC"
        elif error.code() is grpc.StatusCode.UNIMPLEMENTED:
            why = f"the gRPC server there is not {'a client server' if client else 'the head'} of a cluster"
        else:
            return
        raise ConfigError(
            f"--address {address} (or RAY_ADDRESS): no Ray cluster answers there ({why}); HOST:6379 is the port of a "
            "cluster's head, ray://HOST:10001 that of its client server; unset it for a local Ray"
        ) from error
    finally:
        channel.close()
