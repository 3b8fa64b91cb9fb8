"""What a module defines in place of one plug-in, for the message that refuses it."""

import inspect
from types import ModuleType
from typing import Final

LISTED: Final = 3


def in_brackets(module: ModuleType, *bases: type) -> str:
    """The classes of a module that refine one of the bases; without any, its other classes. Empty: it has no class."""
    defined = [
        member for _, member in inspect.getmembers(module, inspect.isclass) if member.__module__ == module.__name__
    ]
    refining = [_state(member) for member in defined if issubclass(member, bases)]
    base = bases[0].__name__ if len(bases) == 1 else "Strategy, Trainer or another base class"
    others = [f"{member.__name__} does not refine {base}" for member in defined[:LISTED]]
    stated = refining or others
    return f" ({'; '.join(stated)})" if stated else ""


def _state(refining: type) -> str:
    lacking = sorted(getattr(refining, "__abstractmethods__", ()))
    return f"{refining.__name__} lacks {', '.join(lacking)}" if lacking else refining.__name__
