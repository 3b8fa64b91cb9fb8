"""A sweep whose ledger and embeddings lie on an S3 server that answers 500, 503 and slowly, and cuts connections.

.venv/bin/python -m tests.faults.s3 [--cases passing lasting] [--share 0.1] [--rounds 3] [--seed 0]

The server is moto's, on loopback, in this process; the sweep is the real command.

passing: of all requests, at random, `share` answer 500 or 503, 3 % are answered seconds late, and of the uploads 10 %
have their connection cut in the middle. What must hold: exit status 0, and chosen ids, labels, metrics and proxies
equal to those of a run on a local disk.
lasting: every put of one trial's rounds answers 503 for good, and patience is 5 s. What must hold: exit status 1, that
trial alone failed, with an error that names the object, and the others are done; once the fault is gone the same
command finishes it, and all is equal to the run on a local disk.

Measured besides: how many requests met a fault, of which kind. Exit status 1 if something does not hold.
"""

import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.machine import parser, show
from labelbench_ray.storage.remote import RETRY_SECONDS
from tests.faults.sweeps import NAME, Sweep, error_of, rounds
from tests.s3 import Fault, Server, serving

SLOW, CUT = 0.03, 0.1
SLOW_SECONDS = 2.0


def main() -> int:
    """Run the cases and show."""
    options = parser(__doc__)
    options.add_argument("--cases", nargs="+", choices=["passing", "lasting"], default=["passing", "lasting"])
    options.add_argument("--share", type=float, default=0.1)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seeds", type=int, default=2, help="of two strategies")
    options.add_argument("--seed", type=int, default=0, help="of the faults")
    arguments = options.parse_args()
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        sweep = Sweep(Path(name), arguments.rounds, arguments.seeds)
        alone = sweep.run(f"{name}/undisturbed")
        assert alone.status == 0, alone.printed
        wanted = rounds(f"{name}/undisturbed")
        for case in arguments.cases:
            with serving() as server:
                os.environ.update(server.environment, LABELBENCH_CACHE=f"{name}/cache-{case}")
                if case == "passing":
                    measured[case] = passing(sweep, server, arguments.share, arguments.seed, wanted)
                else:
                    measured[case] = lasting(sweep, server, wanted)
        measured["undisturbed_seconds"] = alone.seconds
    held = all(measured[case]["held"] for case in arguments.cases)
    show("faults/s3", measured, {"same_as_on_a_disk": True, "failed_by_a_lasting_fault": 1}, met=held)
    return 0 if held else 1


def passing(sweep: Sweep, server: Server, share: float, seed: int, wanted: object) -> dict[str, Any]:
    """Faults at random, all the time."""
    met: Counter[str] = Counter()

    def chance(kind: str, share: float, methods: tuple[str, ...] = ()) -> Any:
        moments = random.Random(f"{seed} {kind}")

        def picks(method: str, path: str) -> bool:
            picked = (not methods or method in methods) and moments.random() < share
            met[kind] += picked
            return picked

        return picks

    asked = Counter[str]()

    def count(method: str, path: str) -> bool:
        asked[method] += 1
        return False

    server.faults += [
        Fault(count),
        Fault(chance("500", share / 2), status=500),
        Fault(chance("503", share / 2), status=503),
        Fault(chance("slow", SLOW), seconds=SLOW_SECONDS),
        Fault(chance("cut", CUT, ("PUT", "POST")), status=500, cut=True),
    ]
    ran = sweep.run(server.uri("passing"))
    server.faults.clear()
    same = rounds(server.uri("passing")) == wanted
    return {
        "requests": asked.total(),
        "uploads": asked["PUT"] + asked["POST"],
        "met_a_fault": len(server.met),
        "faults": dict(met),
        "status": ran.status,
        "same_as_on_a_disk": same,
        "seconds": ran.seconds,
        "held": ran.status == 0 and same and all(met[kind] for kind in ("500", "503", "cut")),
    }


def lasting(sweep: Sweep, server: Server, wanted: dict[str, Any]) -> dict[str, Any]:
    """One trial's rounds cannot be written, until they can."""
    below, hit = server.uri("lasting"), sorted(wanted)[0]
    server.faults.append(Fault(lambda method, path: method == "PUT" and f"/{NAME}/{hit}/rounds/" in path, status=503))
    os.environ[RETRY_SECONDS] = "5"
    ran = sweep.run(below)
    server.faults.clear()
    there = rounds(below)
    errors = {fingerprint: error for fingerprint in wanted if (error := error_of(below, fingerprint))}
    others_done = all(there[each] == wanted[each] for each in wanted if each != hit)
    again = sweep.run(below)
    del os.environ[RETRY_SECONDS]
    same = rounds(below) == wanted
    named = f"/{hit}/rounds/000." in errors.get(hit, "") and f"{len(wanted) - 1} trials done, 1 failed" in ran.printed
    return {
        "met_a_fault": len(server.met),
        "status": ran.status,
        "failed": len(errors),
        "error": errors.get(hit, ""),
        "others_done": others_done,
        "status_once_it_is_gone": again.status,
        "same_as_on_a_disk": same,
        "seconds": ran.seconds,
        "seconds_once_it_is_gone": again.seconds,
        "held": ran.status == 1
        and list(errors) == [hit]
        and named
        and others_done
        and again.status == 0
        and same
        and bool(server.met),
    }


if __name__ == "__main__":
    sys.exit(main())
