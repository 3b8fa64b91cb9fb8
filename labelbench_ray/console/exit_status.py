"""The exit status of a command, and at most one message on standard error."""

import sys
from collections.abc import Callable
from contextlib import suppress

import click

from labelbench_ray import user_code
from labelbench_ray.console import interruption
from labelbench_ray.console.redaction import redacted
from labelbench_ray.console.standard_streams import drop_unwritable
from labelbench_ray.errors import UserError


def exit_status(command: Callable[[], int], interrupted: interruption.Interruption) -> int:
    """Run a command and return its exit status; output to closed streams is dropped."""
    try:
        status = command()
    except BaseException as error:
        if interrupted.received is not None or isinstance(error, (click.Abort, KeyboardInterrupt)):
            # Ray is shut down, and drafts are deleted; library threads, which a normal exit waits for, hold nothing of
            # ours.
            drop_unwritable(sys.stdout)
            interruption.end_at_once(interrupted.status, interrupted.words)
        status = _reported(error)
    problem = drop_unwritable(sys.stdout)
    if problem is not None and status == 0:
        _print(f"error: standard output cannot be written: {problem}")
        status = 1
    drop_unwritable(sys.stderr)
    return status


def _reported(error: BaseException) -> int:
    """Print the error that ended a command as users need it, and return the exit status."""
    if isinstance(error, click.ClickException):
        with suppress(OSError):
            error.show()
        return error.exit_code
    from pydantic import ValidationError  # takes a tenth of a second, which `--help` does not have

    from labelbench_ray.plugins.explanations import explain

    if isinstance(error, (UserError, ValidationError)):
        text = f"{error.title}: {explain(error)}" if isinstance(error, ValidationError) else str(error)
        _print(f"error: {text}")
        return 2
    if user_code.user_frames(error):  # raised in a plug-in, wherever it was called from
        _print(f"error: {user_code.raised(error)}")
        return 2
    goes_on = f"; {interruption.how_to_go_on()}" if {*sys.argv[1:2]} & interruption.RESUMABLE else ""
    if isinstance(error, SystemExit):  # rich and click end a command in this way when its output is closed
        if goes_on:
            _print(f"standard output was closed{goes_on}")
        return 1
    if isinstance(error, OSError):
        _print(f"{type(error).__name__}: {error}{goes_on}")
        return 1
    raise error


def _print(text: str) -> None:
    from labelbench_ray.console.escaping import SafeConsole

    with suppress(OSError):
        SafeConsole(stderr=True, width=None if sys.stderr.isatty() else 120).print(
            redacted(text), style="red", markup=False, soft_wrap=True, highlight=False
        )
