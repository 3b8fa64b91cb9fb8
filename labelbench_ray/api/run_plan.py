"""What a plan lacks: embed what is missing, run what is not done, mirror it, write the report."""

import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

from labelbench_ray.api.executors import Executor, executor_of, started
from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.api.plan_words import describe_waiting
from labelbench_ray.api.report import write_report
from labelbench_ray.api.spending import SpendingLimit
from labelbench_ray.api.stores import EarlyEmbedding, make_images, make_stores, provide
from labelbench_ray.console.escaping import SafeConsole, escaped
from labelbench_ray.console.events import Event, Events
from labelbench_ray.console.interruption import how_to_go_on
from labelbench_ray.console.progress import meter
from labelbench_ray.console.redaction import redacted
from labelbench_ray.costs import ASSUMED, Prices, total
from labelbench_ray.embeddings.augmented import augmented_pairs
from labelbench_ray.environment import Environment
from labelbench_ray.errors import install_hint
from labelbench_ray.ledger.experiments import noted_origin, noted_tags, write_grid
from labelbench_ray.ledger.finetunes import HEADER
from labelbench_ray.ledger.origin import origin
from labelbench_ray.ledger.records import Entry, Grid, SearchNote
from labelbench_ray.ledger.shared import entry_of
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.planning.finetunes import PlannedTuning
from labelbench_ray.planning.names import with_tags
from labelbench_ray.planning.plan import Plan, planned_early_stopping, waiting_now
from labelbench_ray.planning.units import run_units
from labelbench_ray.report.experiments import baseline_among
from labelbench_ray.storage.folders import make_folder
from labelbench_ray.storage.remote import beside
from labelbench_ray.storage.versions import versions
from labelbench_ray.tracking.mirror import AnyMirror, NoMirror
from labelbench_ray.tracking.mlflow_address import is_installed
from labelbench_ray.tracking.mlflow_mirror import begin_connecting, mlflow_mirror
from labelbench_ray.trial import parts

MIRROR_SECONDS = 120.0
"""How long to wait for MLflow once all trials are done."""


def _none_further(plan: Plan) -> Iterable[Plan]:
    return ()


def run_plan(
    plan: Plan, environment: Environment, console: Console, prices: Prices = ASSUMED, baseline: str | None = None
) -> int:
    """Run what the plan lacks; returns the exit status: 1 when a trial failed or did not finish.

    Args:
        prices: what labels and computing cost, for the report.
        baseline: the strategy that the report compares the others with; None: random.

    Raises:
        ConfigError: early stopping is asked for, of trials that cannot be compared; no trial has the baseline's
            strategy.
    """
    return run_plans(plan, environment, console, prices, baseline)[1]


def run_plans(
    plan: Plan,
    environment: Environment,
    console: Console,
    prices: Prices = ASSUMED,
    baseline: str | None = None,
    further: Callable[[Plan], Iterable[Plan]] = _none_further,
) -> tuple[Plan, int]:
    """Run a plan and, as `run_plan`, those that follow from its results; returns the last one and the exit status."""
    if baseline is not None:
        baseline = baseline_among((escaped(str(each.parts.trial.strategy)) for each in plan.trials), baseline)
    early_stopping = planned_early_stopping(plan, environment)
    limit = SpendingLimit(environment.max_hours, environment.max_cost, prices)
    provide(plan, environment)
    note_grid(plan)
    executor = executor_of(environment) if plan.missing or not all(store.complete for store in plan.stores) else None
    early = EarlyEmbedding.begin(plan, executor, environment) if executor else None
    if executor and is_installed():
        begin_connecting(environment.tracking_uri)
    ready = started(executor, environment, console, run_units(plan)) if executor else nullcontext()
    with ready, mirrored(plan, environment, console) as mirror:
        if early:
            early.wait(console)
        unfinished = (
            _run_missing(plan, executor, environment, console, mirror, early_stopping, limit) if executor else 0
        )
        if not executor:
            console.print(nothing_to_run(plan))
        last = plan
        for last in further(plan) if executor else ():
            assert executor is not None
            note_grid(last)
            unfinished += _run_missing(last, executor, environment, console, mirror, early_stopping, limit)
        for trial in last.trials:
            if trial.done or trial.skipped or trial.waiting:
                mirror.submit(trial.directory)
        submit_tunings(last, last.tunings, mirror)
        page = plan.folder / "report.html"
        if plan.experiment.search is None:
            mirror.submit(write_report(plan.folder, page, console, prices, environment.store, baseline))
        else:  # a point is not a strategy: the page has each, and its own lines rank them
            mirror.submit(write_report(plan.folder, page, SafeConsole(quiet=True), prices, environment.store, baseline))
            console.print(f"report: {page}", soft_wrap=True, highlight=False, markup=False)
    for line in [*describe_waiting(waiting_now(last)), *_describe_limit(limit, unfinished)]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return last, 1 if unfinished else 0


def submit_tunings(plan: Plan, tunings: Iterable[PlannedTuning], mirror: AnyMirror) -> None:
    """Have the mirror take what there is of these fine-tunes."""
    for tuning in tunings:
        if (tuning.directory / HEADER).is_file():
            mirror.submit(tuning.directory)


def note_grid(plan: Plan) -> None:
    """Write down which trials belong to the experiment."""
    write_grid(
        make_folder(plan.folder),
        Grid(
            experiment=plan.experiment.name,
            entries=tuple(
                entry_of(
                    plan.folder,
                    trial.directory,
                    Entry(fingerprint=trial.parts.fingerprint, trial=trial.parts.trial),
                )
                for trial in plan.trials
            ),
            versions=versions(),
            origin=origin(plan.experiment.folder or Path.cwd()) if plan.missing else noted_origin(plan.folder),
            owner=plan.experiment.owner,
            tags=with_tags(noted_tags(plan.folder), plan.experiment.tags),
            search=_search_note(plan),
        ),
    )


def _search_note(plan: Plan) -> SearchNote | None:
    search = plan.experiment.search
    if search is None:
        return None
    base = parts.build(search.base)
    return SearchNote(
        base=base.fingerprint,
        over={name: str(distribution) for name, distribution in search.over.items()},
        metric=f"Validation {base.task.primary}",
        trials=search.trials,
    )


@contextmanager
def mirrored(plan: Plan, environment: Environment, console: Console) -> Iterator[AnyMirror]:
    """A mirror that is waited for at the end; its problem is printed. Without MLflow, a line states that."""
    if not is_installed():
        console.print(
            f"MLflow is not installed, so nothing is mirrored to it; {install_hint('mlflow')} and "
            f"`{sync_command(plan.folder, environment)}` write all of it later",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )
        yield NoMirror()
        return
    mirror = mlflow_mirror(environment.tracking_uri, plan.experiment.name, beside(environment.runs) / "mlartifacts")
    patience = MIRROR_SECONDS
    try:
        yield mirror
    except KeyboardInterrupt:
        patience = 0
        raise
    finally:
        # Before Ray ends: a thread that drops the last reference to something of Ray's after that ends the process.
        with meter(console, "writing to MLflow"):
            problem = mirror.finish(patience)
        if problem and patience:
            console.print(
                f"{problem}. Nothing is lost: `{sync_command(plan.folder, environment)}` writes what is missing there, "
                "and so does the next run",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )


def nothing_to_run(plan: Plan) -> str:
    """Why a plan has nothing to run."""
    done = sum(trial.done for trial in plan.trials)
    others = [
        *([f"{len(plan.skipped)} stopped early"] if plan.skipped else []),
        *([f"{len(plan.waiting)} awaiting labels"] if plan.waiting else []),
    ]
    which = f"{done} of {len(plan.trials)} trials are done, {', '.join(others)}" if others else ""
    return f"{which or f'all {len(plan.trials)} trials are done'}; nothing to run"


def sync_command(folder: Path, environment: Environment) -> str:
    """The shell command that brings MLflow up to date; a password in the address is hidden."""
    return shlex.join(["labelbench", "sync", str(folder), "--tracking-uri", redacted(environment.tracking_uri)])


def _describe_limit(limit: SpendingLimit, unfinished: int) -> list[str]:
    """That a limit ended the run, and how to go on."""
    return [f"{limit.reached}; {how_to_go_on()}"] if unfinished and limit.reached else []


def _run_missing(
    plan: Plan,
    executor: Executor,
    environment: Environment,
    console: Console,
    mirror: AnyMirror,
    rule: EarlyStoppingRule | None,
    limit: SpendingLimit,
) -> int:
    """Embed, then sweep; returns how many trials failed or did not finish."""
    stores = make_stores(plan, executor, environment, console)
    limit.add(total(stores[each.key].manifest.spent for each in plan.stores if not each.complete))
    if limit.reached:
        return len(plan.missing)
    if not plan.missing:
        return 0
    with meter(console, "opening embeddings"):
        for planned in plan.stores:
            stores[planned.key].arrays()
            for views in planned.views:
                augmented_pairs(stores[planned.key], views.wanted.digest, views.wanted.count)
    make_images(environment, console, [trial.parts for trial in plan.missing if trial.parts.proxy.trains_encoder])
    jobs = [
        executor.selection_job(
            trial.parts, trial.directory.parent, stores[trial.parts.embedding].manifest.count("pool")
        )
        for trial in plan.missing
    ]
    rounds = {each.directory: each.trial.rounds for each in jobs}
    done = {trial.directory: trial.rounds_done for trial in plan.missing if trial.rounds_done}
    with meter(console, "starting, rounds", sum(rounds.values()), sum(done.values())) as shown:
        monitor = SweepMonitor(shown, mirror, "rounds", rounds, done, events=Events(plan.experiment.name))
        monitor.limit = limit
        monitor.by_people = {trial.directory for trial in plan.missing if not trial.parts.oracle.answers_at_once}
        try:
            executor.run(jobs, monitor, plan.memory, rule)
        finally:  # also when it is interrupted: this much is recorded
            unfinished = report_outcome(monitor, console, sum(trial.done for trial in plan.trials))
            if plan.skipped:
                console.print(f"{len(plan.skipped)} stopped early before and left; run without --early-stopping")
    return unfinished


def report_outcome(monitor: SweepMonitor, console: Console, before: int) -> int:
    """Print how a sweep went; returns how many trials failed or did not finish."""
    unfinished = len(monitor.steps) - len(monitor.ended)
    console.print(
        f"{len(monitor.done)} trials done, {len(monitor.failed)} failed, {unfinished} not finished"
        f"{f', {len(monitor.stopped)} stopped early' if monitor.stopped else ''}"
        f"{f', {len(monitor.awaiting)} awaiting labels' if monitor.awaiting else ''}; {before} were done before"
    )
    monitor.events.log(
        Event.SWEEP_ENDED if not unfinished else Event.INTERRUPTED,
        done=len(monitor.done),
        failed=len(monitor.failed),
        stopped=len(monitor.stopped),
        awaiting=len(monitor.awaiting),
        unfinished=unfinished,
    )
    return len(monitor.failed) + unfinished
