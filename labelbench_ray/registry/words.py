"""What was packed and checked, in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from labelbench_ray.registry.check import Checked, unpaired
from labelbench_ray.registry.pack import Packed
from labelbench_ray.report import words

MOST_LINES = 10


def describe_packed(found: Packed) -> Iterator[str]:
    """What was packed and what was left out."""
    for path in found.paths:
        yield f"wrote {path} ({words.size(path.stat().st_size)})"
    yield f"{words.several(len(found.trials), 'trial')} packed"
    if found.unfinished:
        yield f"{words.several(found.unfinished, 'trial')} left out: not finished"
    if found.upper_bounds:
        yield f"{words.several(found.upper_bounds, 'trial')} left out: upper bounds that see labels are not ranked"
    yield from _reasons((each.fingerprint, each.unchecked) for each in found.trials)


def describe_checked(found: Sequence[Checked]) -> Iterator[str]:
    """The tiers of each submission, why trials are not `checked`, and which pairs of seeds are incomplete."""
    for each in found:
        counts = Counter(each.tiers.values())
        listed = ", ".join(f"{count} {tier}" for tier, count in sorted(counts.items()))
        yield f"{each.name}: {words.several(each.trials.num_rows, 'trial')}: {listed}"
        if not each.ledgers:
            yield f"{each.name}: reported, as {each.name}.ledgers.zip is not among the files"
        yield from _reasons((trial.fingerprint, trial.unchecked) for trial in each.ledgers)
    yield from _cut([*unpaired(found)])


def _reasons(given: Iterable[tuple[str, str]]) -> list[str]:
    """Why trials stay `reported`, the same reason once."""
    reasons: dict[str, list[str]] = {}
    for fingerprint, reason in given:
        if reason:
            reasons.setdefault(reason, []).append(fingerprint)
    lines = [
        f"{words.several(len(names), 'trial')} cannot be checked here ({names[0]}{', ...' if len(names) > 1 else ''}): "
        f"{reason}"
        for reason, names in reasons.items()
    ]
    return _cut(lines)


def _cut(lines: list[str]) -> list[str]:
    rest = len(lines) - MOST_LINES
    return lines if rest <= 0 else [*lines[:MOST_LINES], f"... and {rest} more"]
