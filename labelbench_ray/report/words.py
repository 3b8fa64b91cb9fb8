"""Numbers as people read them: `90.3 % ± 0.4`, `+1.2 points`, `p < 0.001`, `48 % (40 to 55 %)`."""

from math import isfinite

from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.statistics.savings import Saving

NO_BREAK = "\u00a0"
MINUS = "\u2212"
NONE = "\u2013"
SMALL = 0.01
"""Below it, likelihoods of answers for example, two decimals show too little of a value."""


def percent(value: float, decimals: int = 1) -> str:
    """A fraction in per cent."""
    return f"{signed(100 * value, decimals, plus='')}{NO_BREAK}%"


def signed(value: float, decimals: int, plus: str = "+") -> str:
    """A number with a real minus sign, and `plus` before those above 0; what rounds to 0 has no sign."""
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else plus) + text


def grouped(value: float, decimals: int, plus: str = "") -> str:
    """A number with its thousands apart, a real minus sign, and `plus` before those above 0."""
    text = f"{abs(value):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if value < 0 else plus) + text


def accuracy(estimate: Estimate) -> str:
    """`90.3 % ± 0.4`; without an interval, the mean alone."""
    if not estimate.has_interval:
        return percent(estimate.value, 3 if 0 < estimate.value < SMALL else 1)
    reach = 100 * (estimate.high - estimate.low) / 2
    return f"{percent(estimate.value, digits(estimate))} ± {reach:.{digits(estimate)}f}"


def points(estimate: Estimate) -> str:
    """`+1.2 (+0.8 to +1.6)`, in percentage points."""
    value, interval = signed(100 * estimate.value, digits(estimate)), points_interval(estimate)
    return f"{value} ({interval})" if interval else value


def points_interval(estimate: Estimate) -> str:
    """`+0.8 to +1.6`, in percentage points; empty without an interval."""
    if not estimate.has_interval:
        return ""
    return " to ".join(signed(100 * end, digits(estimate)) for end in (estimate.low, estimate.high))


def digits(estimate: Estimate) -> int:
    """Decimals of a percentage: one, or two where the interval is narrower than one shows; below 1 % up to four."""
    if not estimate.has_interval:
        return 1
    reach, most = 100 * (estimate.high - estimate.low) / 2, 4 if 0 < abs(estimate.value) < SMALL else 2
    return next((decimals for decimals in range(1, most) if reach * 10**decimals >= 0.5), most if reach else 2)


def intervals(compared: int, test_rows: int = 0) -> str:
    """A description of the intervals of gains and of labels saved, for this number of strategies."""
    at_once = f" that hold for {together(compared)} at once (Bonferroni)" if compared > 1 else ""
    rows = f" and {test_rows:,} test rows" if test_rows else ""
    return f"95 % intervals over seeds{rows}{at_once}"


def noise_included(test_rows: int, over_seeds_only: str) -> str:
    """What intervals include: the noise of test rows, or why they do not."""
    if test_rows:
        return f"Intervals include the noise of {test_rows:,} test rows."
    return f"Intervals are over seeds only: {over_seeds_only}."


def together(compared: int) -> str:
    """`both strategies`, `all 3 strategies`."""
    return "both strategies" if compared == 2 else f"all {compared} strategies"


def p_value(value: float) -> str:
    """`p < 0.001`, `p = 0.03`."""
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.3f}" if value < 0.01 else f"p = {value:.2f}"


def saved(saving: Saving) -> str:
    """`48 %`, `at least 80 %`, `not reached`, `nothing to save`; below zero: `-5 %`."""
    if saving.moot:
        return "nothing to save"
    if not saving.reached:
        return "not reached"
    return _bound(saving) + percent(saving.fraction, 0)


def saved_interval(saving: Saving) -> str:
    """`40 to 55 %`, `not reached to 55 %`, `40 to at least 80 %`; empty without an interval."""
    if not saving.has_interval or saving.moot:
        return ""
    worst, best = saving.part(saving.high_labels), saving.part(saving.low_labels)
    if not isfinite(best):
        return "not reached"
    above = "at least " if saving.low_labels <= saving.first_labels else ""
    if not isfinite(worst):
        return f"not reached to {above}{percent(best, 0)}"
    if saving.high_labels <= saving.first_labels:
        return f"at least {percent(worst, 0)}"
    return f"{signed(100 * worst, 0, plus='')} to {above}{percent(best, 0)}"


def saved_fully(saving: Saving) -> str:
    """The saving with its interval in brackets, if that adds something."""
    interval = saved_interval(saving)
    return f"{saved(saving)} ({interval})" if interval and interval != saved(saving) else saved(saving)


def needed(saving: Saving) -> str:
    """`1,560`, `at most 200`, `more than 3,000`."""
    if not saving.reached:
        return f"more than {count(saving.last_labels)}"
    return f"at most {count(saving.labels)}" if saving.at_least else count(saving.labels)


def count(number: float) -> str:
    """`1,500`."""
    return f"{number:,.0f}"


def seconds(value: float) -> str:
    """`0.42 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if value < 10:
        return f"{value:.2f}{NO_BREAK}s"
    if value < 60:
        return f"{value:.0f}{NO_BREAK}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}{NO_BREAK}min {rest}{NO_BREAK}s"
    return f"{minutes // 60}{NO_BREAK}h {minutes % 60}{NO_BREAK}min"


def money(value: float, currency: str) -> str:
    """`1,204 USD`, `12.50 USD`, `less than 0.01 USD`."""
    if 0 < value < 0.01:
        return f"less than 0.01{NO_BREAK}{currency}"
    return f"{value:,.{0 if value >= 1000 else 2}f}{NO_BREAK}{currency}"


def price(value: float, currency: str) -> str:
    """`0.05 USD`, with all its digits."""
    return f"{value:,.10g}{NO_BREAK}{currency}"


def times(value: float) -> str:
    """A ratio: `0.34`, `9.8`, `125`."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def bounded_interval(estimate: Estimate) -> str:
    """`0.44 to 0.60`, of what lies in -1 to 1; empty without an interval."""
    if not estimate.has_interval:
        return ""
    return " to ".join(signed(end, 2, plus="") for end in (max(estimate.low, -1.0), min(estimate.high, 1.0)))


def size(number: int) -> str:
    """`512 B`, `3.4 MB`."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f}{NO_BREAK}{unit}" if unit == "B" or value >= 100 else f"{value:.1f}{NO_BREAK}{unit}"


def named(baseline: str) -> str:
    """A baseline at the start of a sentence: "Random", and other strategies as they are called."""
    return "Random" if baseline == "random" else baseline


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def several(number: int, noun: str, plural: str = "") -> str:
    """`1 seed`, `5 seeds`; `plural` where it is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _bound(saving: Saving) -> str:
    return "at least " if saving.at_least else ""
