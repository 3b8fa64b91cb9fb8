"""What a plan lacks: embed what is missing, run what is not done, mirror it, write the report."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from rich.console import Console

from labelbench_ray.api.executors import Executor, executor_of, started
from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.api.plan_words import describe_waiting
from labelbench_ray.api.report import write_report
from labelbench_ray.console.escaping import escaped
from labelbench_ray.console.events import Event, Events
from labelbench_ray.console.progress import Meter, meter
from labelbench_ray.console.redaction import redacted
from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.embeddings.augmented import augmented_pairs
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.images import decoded_images
from labelbench_ray.embeddings.overlaps import left_out_words, read_overlaps
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import trainable
from labelbench_ray.environment import Environment
from labelbench_ray.errors import NotProvidedError, install_hint
from labelbench_ray.ledger.data_notes import note_overlaps, note_rows
from labelbench_ray.ledger.experiments import noted_origin, write_grid
from labelbench_ray.ledger.finetunes import HEADER
from labelbench_ray.ledger.origin import origin
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.planning.finetunes import PlannedTuning
from labelbench_ray.planning.plan import Plan, check_budget, planned_early_stopping, waiting_now
from labelbench_ray.planning.units import embedding_units, run_units
from labelbench_ray.report.curves import baseline_among
from labelbench_ray.storage.quarantine import read_quarantine_note, set_asides
from labelbench_ray.storage.remote import beside
from labelbench_ray.storage.versions import versions
from labelbench_ray.tracking.mirror import AnyMirror, NoMirror
from labelbench_ray.tracking.mlflow_address import is_installed
from labelbench_ray.trial.parts import Parts

IMAGES = "decoding images, rows"
MIRROR_SECONDS = 120.0
"""How long to wait for MLflow once all trials are done."""


def provide(plan: Plan, environment: Environment) -> None:
    """Fetch weights where the network allows, and check that data and weights are present before anything starts.

    Raises:
        NotProvidedError: some are not; names all of them.
    """
    lacking: list[str] = []
    for store in plan.needed:
        encoder = store.example.encoder
        for present in (partial(store.example.dataset.open, environment.data_root), encoder.provide, encoder.weights):
            try:
                present()
            except NotProvidedError as error:
                lacking.append(str(error))
    if lacking:
        raise NotProvidedError("; ".join(dict.fromkeys(lacking)))


def make_stores(
    plan: Plan, executor: Executor, environment: Environment, console: Console
) -> dict[str, EmbeddingStore]:
    """Embed every store of the plan that is not whole; by key. The executor is started.

    Raises:
        ConfigError: fewer rows of the pool were embedded than a trial buys labels for.
    """
    made: dict[str, EmbeddingStore] = {}
    for store in plan.stores:
        trial = store.example.trial
        events, names = Events(plan.experiment.name), {"dataset": str(trial.dataset), "encoder": str(trial.encoder)}
        events.log(Event.EMBEDDING_STARTED, store=store.key, **names)
        before = set_asides(environment.store / store.key)
        words = "checking embeddings" if store.complete else "embedding, rows"
        with meter(console, words, embedding_units([store]).total) as shown:
            if store.complete and store.to_be_provided:
                # The embeddings are here and the data are not: nothing to check them against, nothing missing either.
                made[store.key] = EmbeddingStore.open(environment.store / store.key)
            else:
                show = partial(shown.show, words="embedding, rows")
                for example in store.examples:
                    made[store.key] = complete_store(
                        example.store_recipe, example.wanted_views, environment, executor.embedder, show
                    )
        for name in sorted({*set_asides(environment.store / store.key)} - {*before}):
            why = read_quarantine_note(environment.store / store.key, name)
            events.log(Event.SET_ASIDE, store=store.key, reason=why.reason, files=why.files)
            console.print(f"set aside, and embedded again: {why.reason}", markup=False, soft_wrap=True, highlight=False)
        manifest = made[store.key].manifest
        rows, rejected = manifest.count("pool"), made[store.key].directory / "rejects.parquet"
        events.log(Event.EMBEDDING_DONE, store=store.key, **names, rows=rows, rejects=manifest.rejects)
        console.print(
            f"embedded {trial.dataset} with {trial.encoder}: {rows} rows of {manifest.dimensions} "
            f"dimensions{', as found' if store.done else f' in {manifest.seconds:.0f} s'}"
            f"{f'; {manifest.rejects} rejected, see {rejected}' if manifest.rejects else ''}",
            highlight=False,
            soft_wrap=True,
        )
        if manifest.warning:
            console.print(f"  {manifest.warning}", style="yellow", highlight=False, soft_wrap=True, markup=False)
        note_rows(plan.folder, manifest)
        overlaps = read_overlaps(made[store.key].directory)
        if overlaps:
            note_overlaps(plan.folder, manifest.content, overlaps)
            if str(overlaps):
                console.print(f"  {overlaps}", style="yellow", highlight=False, soft_wrap=True)
        left_out = left_out_words(manifest.rejects, overlaps.removed if overlaps else 0)
        for each in plan.missing:
            if each.parts.embedding == store.key:
                check_budget(each.parts.trial, rows, left_out)
        for views in store.views:
            console.print(f"  and {views}", highlight=False, soft_wrap=True)
    return made


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
    if baseline is not None:
        baseline = baseline_among((escaped(str(each.parts.trial.strategy)) for each in plan.trials), baseline)
    early_stopping = planned_early_stopping(plan, environment)
    provide(plan, environment)
    note_grid(plan)
    executor = executor_of(environment) if plan.missing or not all(store.complete for store in plan.stores) else None
    ready = started(executor, environment, console, run_units(plan)) if executor else nullcontext()
    with ready, mirrored(plan, environment, console) as mirror:
        unfinished = _run_missing(plan, executor, environment, console, mirror, early_stopping) if executor else 0
        if not executor:
            console.print(nothing_to_run(plan))
        for trial in plan.trials:
            if trial.done or trial.skipped or trial.waiting:
                mirror.submit(plan.folder / trial.parts.fingerprint)
        submit_tunings(plan, plan.tunings, mirror)
        page = plan.folder / "report.html"
        mirror.submit(write_report(plan.folder, page, console, prices, environment.store, baseline))
    for line in describe_waiting(waiting_now(plan)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 1 if unfinished else 0


def submit_tunings(plan: Plan, tunings: Iterable[PlannedTuning], mirror: AnyMirror) -> None:
    """Have the mirror take what there is of these fine-tunes."""
    for tuning in tunings:
        directory = tuning.directory(plan.folder)
        if (directory / HEADER).is_file():
            mirror.submit(directory)


def note_grid(plan: Plan) -> None:
    """Write down which trials belong to the experiment."""
    write_grid(
        plan.folder,
        Grid(
            experiment=plan.experiment.name,
            entries=tuple(Entry(fingerprint=trial.parts.fingerprint, trial=trial.parts.trial) for trial in plan.trials),
            versions=versions(),
            origin=origin(plan.experiment.folder or Path.cwd()) if plan.missing else noted_origin(plan.folder),
        ),
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
    with meter(console, "opening MLflow"):
        from labelbench_ray.tracking.mlflow_runs import mlflow_mirror

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


def _run_missing(
    plan: Plan,
    executor: Executor,
    environment: Environment,
    console: Console,
    mirror: AnyMirror,
    rule: EarlyStoppingRule | None,
) -> int:
    """Embed, then sweep; returns how many trials failed or did not finish."""
    stores = make_stores(plan, executor, environment, console)
    if not plan.missing:
        return 0
    with meter(console, "opening embeddings"):
        for planned in plan.stores:
            stores[planned.key].arrays()
            for views in planned.views:
                augmented_pairs(stores[planned.key], views.wanted.digest, views.wanted.count)
    make_images(environment, console, [trial.parts for trial in plan.missing if trial.parts.proxy.trains_encoder])
    jobs = [
        executor.selection_job(trial.parts, plan.folder, stores[trial.parts.embedding].manifest.count("pool"))
        for trial in plan.missing
    ]
    rounds = {each.directory: each.trial.rounds for each in jobs}
    done = {plan.folder / trial.parts.fingerprint: trial.rounds_done for trial in plan.missing if trial.rounds_done}
    with meter(console, "starting, rounds", sum(rounds.values()), sum(done.values())) as shown:
        monitor = SweepMonitor(shown, mirror, "rounds", rounds, done, events=Events(plan.experiment.name))
        try:
            executor.run(jobs, monitor, plan.memory, rule)
        finally:  # also when it is interrupted: this much is recorded
            unfinished = report_outcome(monitor, console, sum(trial.done for trial in plan.trials))
            if plan.skipped:
                console.print(f"{len(plan.skipped)} stopped early before and left; run without --early-stopping")
    return unfinished


def make_images(environment: Environment, console: Console, needed: Sequence[Parts]) -> None:
    """Decode the images that full models are trained on, once for each store."""
    for key, built in {each.embedding: each for each in needed}.items():
        source, encoder = built.dataset.open(environment.data_root), trainable(built.encoder)
        rows = {split: len(each) for split, each in source.splits.items()}
        with meter(console, IMAGES, sum(rows.values())) as shown:

            def show(split: str, done: int, _: int, shown: Meter = shown, rows: dict[str, int] = rows) -> None:
                before = sum(list(rows.values())[: list(rows).index(split)])
                shown.show(before + done, sum(rows.values()), IMAGES)

            store = EmbeddingStore.open(environment.store / key)
            decoded_images(store, source, encoder, show, environment.row_seconds)


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
