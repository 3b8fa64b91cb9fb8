"""A message to a web address when a run ends: one POST of JSON, which never changes the result."""

import json
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from labelbench_ray.console.redaction import HIDDEN
from labelbench_ray.errors import ConfigError

if TYPE_CHECKING:
    from labelbench_ray.api.outcome import RunOutcome

SECONDS: Final = 10.0
"""How long the receiver may take."""


def check_webhook(address: str | None) -> None:
    """Refuse what is not an address of the web, before anything runs."""
    if address is not None and (urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname):
        raise ConfigError(f"--webhook {shown(address)}: not an address of the web; it begins with https:// or http://")


def message(outcome: "RunOutcome", status: int) -> dict[str, object]:
    """What is sent: the experiment, how it ended, trials by state, and the place of the report."""
    return {
        "experiment": outcome.folder.name,
        "status": "unfinished" if status else "done",
        "exit_status": status,
        "trials": len(outcome.trials),
        "counts": Counter(str(each.state) for each in outcome.trials),
        "report": str(outcome.report),
    }


def post(address: str, sent: dict[str, object]) -> str | None:
    """Send it once; returns what went wrong, without the address's secrets, or None."""
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(address, json.dumps(sent).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=SECONDS):
            return None
    except Exception as error:  # whatever the receiver does, the run is as it is
        # An error of urllib may hold the address, whose path is often a secret: its kind and status are enough.
        code = f" {error.code}" if isinstance(error, urllib.error.HTTPError) else ""
        return f"the webhook {shown(address)} was not reached: {type(error).__name__}{code}; the run is not affected"


def shown(address: str) -> str:
    """The host alone: the rest of a webhook's address is its password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}/{HIDDEN}" if parts.hostname else HIDDEN
