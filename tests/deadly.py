"""A user's own encoder whose decoder ends its process, or never ends, for images with some bytes appended."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from labelbench_ray.datasets import Payload
from labelbench_ray.encoders import Decoded
from labelbench_ray.encoders.pixels import Pixels

DECODED_BEFORE: list[Payload] = []


class Deadly(Pixels):
    """As `pixels` for all other images; `folder` gets a file named by each process that decodes."""

    folder: str = ""

    def decode(self, payload: Payload) -> Decoded:
        assert isinstance(payload, bytes)
        if self.folder:
            (Path(self.folder) / str(os.getpid())).touch()
        if payload.endswith(b"crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if payload.endswith(b"exit"):
            os._exit(3)
        if payload.endswith(b"leave"):
            sys.exit("enough")
        if payload.endswith(b"sleep"):
            time.sleep(1000)
        if payload.endswith(b"stuck"):
            ctypes.PyDLL(None).sleep(1000)  # C code that keeps Python from running
        if payload.endswith(b"greed"):
            return bytearray(2**40)  # type: ignore[return-value]
        if payload.endswith(b"broken"):
            raise TypeError("not what it takes")
        if payload.endswith(b"worn"):
            DECODED_BEFORE.append(payload)
            if len(DECODED_BEFORE) > 2:
                os._exit(4)
        return super().decode(payload)
