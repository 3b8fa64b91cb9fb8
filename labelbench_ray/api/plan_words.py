"""A plan in plain words: what would run, what is done, what is missing, and what a trial reserves."""

from collections.abc import Iterable, Mapping
from typing import Final

from labelbench_ray.console.progress import duration
from labelbench_ray.environment import Environment
from labelbench_ray.planning.memory import GIB, at_once_here, driver_bytes, reserved_bytes, scorer_bytes
from labelbench_ray.planning.plan import Plan, PlannedTrial
from labelbench_ray.planning.stores import PlannedStore
from labelbench_ray.planning.time_left import time_left
from labelbench_ray.trial.scoring import scoring_device

MOST_SPLITS: Final = 6
"""Splits whose rows a line states one by one."""


def describe_memory(planned: Plan, environment: Environment) -> str:
    """What is reserved for each trial, in words."""
    memory = reserved_bytes(environment, planned.memory)
    if environment.executor == "local":
        return f"memory: {memory / GIB:.2f} GiB for each trial (estimated), one after the other in this process"
    source = "estimated" if environment.memory_per_trial is None else "as given; a trial that takes more is ended"
    return (
        f"memory: {memory / GIB:.2f} GiB are reserved for each trial ({source}); a local Ray runs "
        f"{at_once_here(environment, memory)} at once here{_beside_trials(planned, environment)}"
    )


def _beside_trials(planned: Plan, environment: Environment) -> str:
    """What scorers and the driver need for a large pool, in words; "" where no pool is large."""
    stores = {store.key: store.rows for store in planned.stores}
    large = [
        (each.parts, rows)
        for each in planned.trials
        if (rows := stores[each.parts.embedding]).get("pool", 0) >= environment.scorer_rows
    ]
    if not large or not environment.scorers:
        return ""
    scorer = max(scorer_bytes(built, rows["pool"], environment.scorers) for built, rows in large)
    driver = max(driver_bytes(rows) for _, rows in large)
    return (
        f"; not reserved: {scorer / GIB:.2f} GiB for each of a trial's {environment.scorers} scorers, and "
        f"{driver / GIB:.2f} GiB for this process while it embeds"
    )


def describe_scoring(planned: Plan, environment: Environment) -> list[str]:
    """The strategies that take no part of the GPU's work but the model's; nothing where no GPU scores."""
    if scoring_device(environment) is None:
        return []
    others = [each.parts.trial.strategy for each in planned.trials if not each.parts.strategy.on_device]
    names = ", ".join(dict.fromkeys(map(str, others)))
    return [f"the GPU computes probabilities; these strategies choose on the CPU: {names}"] if names else []


def describe_missing(planned: Plan) -> list[str]:
    """The data and weights that must be provided before a run can start."""
    return [f"to be provided: {text}" for text in planned.to_be_provided]


def describe_time(planned: Plan, environment: Environment) -> list[str]:
    """How long the rounds to run take, and what that is estimated from; nothing where nothing is to run."""
    if not planned.missing:
        return []
    found = time_left(planned)
    if found is None:
        return [
            "time: unknown while no round is recorded; run the experiment with --tiny, and plan estimates from that"
        ]
    source = f"from {found.recorded:,} recorded rounds"
    if found.is_tiny:
        source = f"at least: from {found.recorded:,} rounds of the --tiny run, which are shorter"
    embedding = "" if all(store.complete for store in planned.stores) else ", embedding not included"
    if environment.address is not None:
        many = f"{duration(found.seconds)} of trials, of which the cluster runs many at once"
        return [f"time: {many}, for {found.rounds:,} rounds{embedding} ({source})"]
    at_once = 1
    if environment.executor != "local":
        at_once = at_once_here(environment, reserved_bytes(environment, planned.memory))
    return [
        f"time: about {duration(found.when(at_once))} for {found.rounds:,} rounds, {at_once} "
        f"trial{'' if at_once == 1 else 's'} at once{embedding} ({source})"
    ]


def describe(planned: Plan) -> list[str]:
    """The plan's sums in plain words, one line each."""
    done = sum(trial.done for trial in planned.trials)
    rounds = sum(trial.parts.trial.rounds for trial in planned.trials)
    rounds_done = sum(trial.rounds_done for trial in planned.trials)
    left = f"{len(planned.skipped)} stopped early and left, " if planned.skipped else ""
    left += f"{len(planned.waiting)} awaiting labels, " if planned.waiting else ""
    labels = sum((trial.parts.trial.rounds - trial.rounds_done) * trial.parts.trial.budget for trial in planned.missing)
    lines = [
        f"{planned.experiment.name}: {len(planned.trials)} trials, {done} done, {left}{len(planned.missing)} to run, "
        f"which buy {labels:,} labels in all; {rounds_done:,} of {rounds:,} rounds are recorded"
    ]
    if planned.shared:
        owners = ", ".join(dict.fromkeys(str(trial.directory.parent.name) for trial in planned.shared))
        lines.append(f"{len(planned.shared)} of them are shared: their ledgers are in the folder of {owners}")
    lines += describe_waiting(planned.waiting)
    if planned.tunings:
        points = [len(tuning.budgets) for tuning in planned.tunings]
        finished = sum(len(tuning.budgets) - len(tuning.missing) for tuning in planned.tunings)
        lines.append(
            f"{len(points)} fine-tunes at {sum(points)} budgets, {finished} done; `labelbench finetune` runs the others"
        )
        lines += [
            f"  {tuning.parts.fingerprint}: {tuning.progress.reason}"
            for tuning in planned.tunings
            if tuning.progress.reason
        ]
    for store in planned.stores:
        trial = store.example.trial
        rows = _rows(store.rows) or "rows unknown"
        rejected = f", {store.rejects:,} rows rejected" if store.rejects else ""
        width = store.dimensions
        dimensions = f"{width:,} dimensions" if width else "dimensions unknown"
        state = f"embedded{rejected}" if store.done else "to be embedded"
        held = _on_disk(store) if store.rows else ""
        lines.append(f"{trial.dataset} with {trial.encoder}: {state}; {rows}; {dimensions}{held}")
        lines += [f"  {line}" for line in store.found]
        lines += [
            f"  {views}: {views.there} there, {views.wanted.count - views.there} to be embedded"
            for views in store.views
        ]
        lines += _overlaps(store)
        lines += [f"  not here and not needed: {text}" for text in store.to_be_provided if store not in planned.needed]
    return lines


def _rows(rows: Mapping[str, int]) -> str:
    """The number of rows of each split; many further evaluation splits go together."""
    first, more = list(rows.items())[:MOST_SPLITS], list(rows.values())[MOST_SPLITS:]
    listed = [f"{split} {count:,}" for split, count in first]
    return ", ".join(listed + ([f"{len(more)} more splits {sum(more):,}"] if more else []))


def describe_waiting(trials: Iterable[PlannedTrial]) -> list[str]:
    """What each trial that waits for labels asks for, and which answers cannot be used."""
    lines: list[str] = []
    for each in trials:
        assert each.waiting is not None
        trial = each.parts.trial
        lines.append(f"{trial.strategy}, seed {trial.seed}: {each.waiting}")
        lines += [f"  refused: {refused}" for refused in each.waiting.refused]
    return lines


def describe_data(planned: Plan) -> list[str]:
    """What each data set of a plan holds and what of it is ignored, once for each; nothing where data are not here."""
    data = {str(store.example.trial.dataset): store.found for store in planned.stores if store.found}
    return [line for name, found in data.items() for line in (f"data set {name}:", *(f"  {each}" for each in found))]


def _overlaps(store: PlannedStore) -> list[str]:
    """Rows in two splits, as far as they were counted."""
    if store.overlaps is not None:
        near = str(store.overlaps.near or "")
        exact = f"  {store.overlaps}" if str(store.overlaps) else "  no row is in two splits"
        return [exact, *([f"  {near}"] if near else [])]
    return [] if store.done else ["  rows that are in two splits are counted when they are embedded"]


def _on_disk(store: PlannedStore) -> str:
    """What the embeddings take on disk."""
    if store.converted is not None:
        held = f"{store.bytes / 1e6:,.1f} MB of converted rows" if store.converted else "no copy of the rows"
        return f", {held} on disk"
    return f", {store.bytes / 1e6:,.1f} MB on disk, half of it mapped into memory once on each node"
