"""A law: a statement about every plug-in of a kind, and the function that finds out whether it holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.plugins import Plugin
from labelbench_ray.user_code import in_a_line, user_frames

Kind = TypeVar("Kind", bound=Plugin)


class ContractViolation(AssertionError):
    """A plug-in breaks a law. The text states what was found and how to fix it."""


class NotApplicable(Exception):
    """A law is not about this plug-in. The text states why."""


class Verdict(StrEnum):
    """What became of a law."""

    PASS = "pass"
    FAIL = "FAIL"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True, slots=True)
class Law(Generic[Kind]):
    """A statement, and a function that raises `ContractViolation` where it does not hold for a plug-in."""

    statement: str
    holds: Callable[[Kind], None]

    def __str__(self) -> str:
        return self.statement


@dataclass(frozen=True, slots=True)
class Finding:
    """A law, tried on a plug-in."""

    law: str
    verdict: Verdict
    text: str = ""
    """What was found and how to fix it, or why the law is not about this plug-in; "" for a law that holds."""

    def __str__(self) -> str:
        return f"{self.verdict:<4}  {self.law}{f': {self.text}' if self.text else ''}"


def judge(law: Law[Kind], plugin: Kind) -> Finding:
    """Try a law on a plug-in; what the plug-in raises breaks the law."""
    try:
        law.holds(plugin)
    except (NotApplicable, NotProvidedError) as error:
        return Finding(law.statement, Verdict.NOT_APPLICABLE, _one_line(str(error)))
    except ContractViolation as error:
        return Finding(law.statement, Verdict.FAIL, _one_line(str(error)))
    except Exception as error:
        return Finding(law.statement, Verdict.FAIL, _one_line(f"it raises {stated(error)}"))
    return Finding(law.statement, Verdict.PASS)


def require(holds: bool, found: str, fix: str) -> None:
    """Raise `ContractViolation` where something does not hold."""
    if not holds:
        raise ContractViolation(f"{found}; {fix}")


@contextmanager
def raising_nothing(where: str, fix: str) -> Iterator[None]:
    """Turn what is raised inside into a `ContractViolation` that states where."""
    try:
        yield
    except (ContractViolation, NotApplicable, NotProvidedError):
        raise
    except Exception as error:
        raise ContractViolation(f"{where} it raises {stated(error)}; {fix}") from error


def stated(error: Exception) -> str:
    """An exception in a line: the place in the user's files, its class and text; the text alone if it is ours."""
    return in_a_line(error) if user_frames(error) or not isinstance(error, ValueError) else f"this error: {error}"


def _one_line(text: str) -> str:
    return " ".join(redacted(text).split())
