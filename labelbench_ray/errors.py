"""The user's mistakes, one class a place: each message says the value, the rule and the mend.

All refine `ValueError` and take one string, so that they survive the pickling between Ray processes. Broken
invariants of our own are `assert`s instead.
"""

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """A request that cannot be meant: an unknown name or setting, a value out of range."""


class DataError(ValueError):
    """A data set that is not what it says: a missing column, an unknown label, an empty split."""


class NotProvidedError(ValueError):
    """Data or weights that are not on this machine yet; a plan goes on without them, a run cannot."""


class StoreError(ValueError):
    """An embedding store that is cut short or was made from something else."""


class LedgerError(ValueError):
    """A trial's record that is damaged, repeated, over budget or of another trial."""


class BudgetError(ValueError):
    """More labels were asked for than the trial pays for."""


def unknown(kind: str, name: str, have: Iterable[str]) -> str:
    """Say that `name` is no `kind`, which known name is nearest, and which there are."""
    known = sorted(have)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"no {kind} called {name!r}{hint} (have: {', '.join(known) or 'none'})"
