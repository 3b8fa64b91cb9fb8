"""The boards of a leaderboard: the trials of one protocol each, ours and those that others published."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelbench_ray.config import digest
from labelbench_ray.registry.check import Checked, Tier
from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.published.curves import ACCURACY, SETTING, PublishedSetting
from labelbench_ray.report.statistics.comparison import Comparison, Curves, compare_curves
from labelbench_ray.report.statistics.ranks import FEWEST_SETTINGS, FEWEST_STRATEGIES, Ranks, ranks

LABELBENCH: Final = "LabelBench"
FIELDS: Final = ("encoder", "proxy", "trainer", "corrupter", "oracle", "first_batch")
"""What a board's facts state beside its data set and checkpoints."""
USUAL: Final = {("corrupter", "clean"), ("oracle", "simulated"), ("first batch", "random")}
IMBALANCE: Final = "largest class over smallest"
VERIFIED: Final = frozenset((Tier.REPRODUCED, Tier.CHECKED))
"""Tiers of numbers that follow from ledgers: no trial of another tier changes them."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """The trials of one protocol on the metric that decides.

    A strategy's row is of its verified trials alone where it has any, and compares these with verified trials alone.
    """

    protocol_id: str
    dataset: str
    facts: tuple[tuple[str, str], ...]
    comparison: Comparison
    tiers: Mapping[str, tuple[Tier, ...]]
    """By strategy, of its trials, best first."""
    seconds: Mapping[str, float]
    """By strategy, CPU and GPU seconds of a trial, the mean; those that were not published are absent."""
    prices: Mapping[str, tuple[float, str]]
    """By strategy, the price of a trial, the mean, and its currency; absent unless all state one in one currency."""
    submitters: Mapping[str, tuple[str, ...]]
    dropped: int
    """Trials that do not count: another one of a better tier has their strategy and seed, or verified ones have it."""

    @property
    def trials(self) -> int:
        """How many trials count."""
        return sum(len(row.curves.seeds) for row in self.comparison.rows)

    @property
    def title(self) -> str:
        """The protocol in one line, without what most boards share."""
        shown = (value for name, value in self.facts if (name, value) not in USUAL and name != IMBALANCE)
        return f"{self.dataset}: {', '.join(shown)}"


def boards(submissions: Iterable[Checked], tiers: Mapping[str, Tier]) -> tuple[Board, ...]:
    """A board a protocol, by data set; `tiers`: of trials by fingerprint."""
    rows: list[Row] = []
    curves: dict[str, dict[int, float]] = {}
    for each in submissions:
        mine = each.trials.to_pylist()
        rows += mine
        curves |= _curves_of(each.rounds, {row["fingerprint"]: row["metric"] for row in mine})
    protocol = itemgetter("dataset", "protocol_id", "metric")
    grouped = groupby(sorted(rows, key=protocol), protocol)
    return tuple(_board([*mine], curves, tiers) for _, mine in grouped)


def published_boards(settings: Iterable[PublishedSetting]) -> tuple[Board, ...]:
    """A board for each published setting, at the checkpoints that all its strategies have."""
    return tuple(_published(each) for each in settings)


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Average ranks of the strategies that several boards have, and which boards these are."""

    source: str
    ranks: Ranks
    boards: tuple[Board, ...]


def standings(ours: Sequence[Board], theirs: Sequence[Board]) -> tuple[Standing, ...]:
    """Ranks over a registry's boards, by verified trials and with the reported ones, and over the published boards."""
    verified = standing("this registry", ours, VERIFIED)
    unverified = any(tiers[0] not in VERIFIED for board in ours for tiers in board.tiers.values())
    reported = standing("this registry, with reported trials", ours, {*Tier}) if unverified else None
    found = (verified, reported, standing(f"{LABELBENCH}, as published", theirs, {Tier.IMPORTED}))
    return tuple(each for each in found if each)


def standing(source: str, every: Sequence[Board], tiers: Collection[Tier]) -> Standing | None:
    """Ranks over boards by the mean final value of the strategies that at least half of random's boards have.

    Only rows whose best trials are of these tiers count. None where fewer than 2 boards have 3 such strategies.
    """
    found = [(board, values) for board in every if RANDOM in (values := _finals(board, tiers))]
    own = [values for _, values in found]
    names = sorted({name for values in own for name in values})
    strategies = tuple(name for name in names if 2 * sum(name in values for values in own) >= len(own))
    kept = [values for values in own if all(name in values for name in strategies)]
    if len(kept) < FEWEST_SETTINGS or len(strategies) < FEWEST_STRATEGIES:
        return None
    scores_DM = np.array([[values[name] for name in strategies] for values in kept])
    having = [board for board, values in found if {*strategies} <= {*values}]
    return Standing(source, ranks(strategies, scores_DM), tuple(having))


def _finals(board: Board, tiers: Collection[Tier]) -> dict[str, float]:
    rows = board.comparison.rows
    return {row.strategy: row.final.value for row in rows if board.tiers[row.strategy][0] in tiers}


def _curves_of(rounds: Any, metrics: Mapping[str, str]) -> dict[str, dict[int, float]]:  # noqa: ANN401
    """Each trial's curve on the metric that decides."""
    wanted = rounds.filter(pc.is_in(rounds["metric"], pa.array(sorted({*metrics.values()}), pa.string())))
    found: dict[str, dict[int, float]] = {}
    columns = (wanted[name].to_pylist() for name in ("fingerprint", "metric", "num_labels", "value"))
    for fingerprint, metric, labels, value in zip(*columns, strict=True):
        if metrics[fingerprint] == metric:
            found.setdefault(fingerprint, {})[labels] = value
    return found


def _board(rows: list[Row], curves: Mapping[str, Mapping[int, float]], tiers: Mapping[str, Tier]) -> Board:
    by_strategy = _counting(rows, tiers)
    kept = [row for mine in by_strategy.values() for row in mine]
    first = kept[0]
    checkpoints = f"{first['rounds']} rounds of {first['budget']} labels"
    return Board(
        first["protocol_id"],
        first["dataset"],
        (
            *((field.replace("_", " "), first[field]) for field in FIELDS),
            ("checkpoints", checkpoints),
            *_imbalance(kept),
        ),
        _compared(by_strategy, curves, tiers),
        {name: _tiers(mine, tiers) for name, mine in by_strategy.items()},
        {name: float(np.mean([_seconds(row) for row in mine])) for name, mine in by_strategy.items()},
        {name: price for name, mine in by_strategy.items() if (price := _price(mine))},
        {name: tuple(sorted({row["submitter"] for row in mine} - {""})) for name, mine in by_strategy.items()},
        len(rows) - len(kept),
    )


def _counting(rows: Iterable[Row], tiers: Mapping[str, Tier]) -> dict[str, list[Row]]:
    """By strategy, one trial a seed, of the best tier; verified ones alone where the strategy has any."""
    order = [*Tier]
    by_tier = sorted(rows, key=lambda row: (row["strategy"], row["seed"], order.index(tiers[row["fingerprint"]])))
    unique = (next(mine) for _, mine in groupby(by_tier, itemgetter("strategy", "seed")))
    by_strategy = {name: [*mine] for name, mine in groupby(unique, itemgetter("strategy"))}
    return {name: _verified(mine, tiers) or mine for name, mine in by_strategy.items()}


def _verified(rows: Iterable[Row], tiers: Mapping[str, Tier]) -> list[Row]:
    return [row for row in rows if tiers[row["fingerprint"]] in VERIFIED]


def _compared(
    by_strategy: Mapping[str, list[Row]], curves: Mapping[str, Mapping[int, float]], tiers: Mapping[str, Tier]
) -> Comparison:
    """All strategies; the rows of verified ones are as if there were no others."""
    every = [row for mine in by_strategy.values() for row in mine]
    shared = sorted(set.intersection(*({*curves.get(row["fingerprint"], {})} for row in every)))
    labels_T = np.array(shared, dtype=np.float64)
    made = {
        name: Curves(
            name,
            tuple(row["seed"] for row in mine),
            labels_T,
            np.array([[curves[row["fingerprint"]][labels] for labels in shared] for row in mine], dtype=np.float64),
        )
        for name, mine in by_strategy.items()
    }
    complete = compare_curves(every[0]["metric"], [*made.values()], RANDOM)
    verified = [made[name] for name, mine in by_strategy.items() if _verified(mine, tiers)]
    if len(verified) in (0, len(made)):
        return complete
    alone = compare_curves(complete.metric, verified, RANDOM)
    found = (alone.row(row.strategy) or row for row in complete.rows)
    return replace(complete, rows=tuple(found))


def _tiers(rows: Iterable[Row], tiers: Mapping[str, Tier]) -> tuple[Tier, ...]:
    found = {tiers[row["fingerprint"]] for row in rows}
    return tuple(tier for tier in Tier if tier in found)


def _seconds(row: Row) -> float:
    return float(sum(value for clock in ("cpu_seconds", "gpu_seconds") for _, value in row[clock]))


def _price(rows: Sequence[Row]) -> tuple[float, str] | None:
    currencies = {row["currency"] for row in rows}
    if len(currencies) > 1 or None in currencies:
        return None
    return float(np.mean([row["price"] for row in rows])), currencies.pop()


def _imbalance(rows: Iterable[Row]) -> tuple[tuple[str, str], ...]:
    known = next((row["imbalance"] for row in rows if row["imbalance"] is not None), None)
    return () if known is None else ((IMBALANCE, f"{known:.1f}"),)


def _published(setting: PublishedSetting) -> Board:
    shared = sorted(set.intersection(*({*curves.labels_T.tolist()} for curves in setting.curves.values())))
    every = [
        Curves(curves.strategy, curves.seeds, np.array(shared), curves.values_ST[:, np.isin(curves.labels_T, shared)])
        for curves in setting.curves.values()
    ]
    facts = (
        ("embeddings", setting.embed),
        ("model", setting.model),
        ("trainer", setting.trainer),
        ("checkpoints", f"{len(shared)} rounds of {setting.batch_size} labels"),
    )
    return Board(
        digest([LABELBENCH, *(getattr(setting, field) for field in SETTING)]),
        setting.dataset,
        facts,
        compare_curves(ACCURACY, every, RANDOM),
        {curves.strategy: (Tier.IMPORTED,) for curves in every},
        {},
        {},
        {curves.strategy: (LABELBENCH,) for curves in every},
        0,
    )
