"""`labelbench run`: embed what is missing, run what is not done, mirror it, write the report."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console

from labelbench_ray import report
from labelbench_ray.cluster.embed import embed
from labelbench_ray.cluster.session import connected
from labelbench_ray.cluster.sweep import Job, job, sweep
from labelbench_ray.environment import Environment
from labelbench_ray.ledger import Entry, Failure, Grid, write_failure, write_grid
from labelbench_ray.plan import Plan
from labelbench_ray.progress import Meter, meter
from labelbench_ray.store import EmbeddingStore
from labelbench_ray.tracking import Mirror
from labelbench_ray.views import open_view

MIRROR_SECONDS = 120.0
"""How long to wait for MLflow once all trials are done."""


@dataclass
class Follower:
    """Counts what the sweep tells, shows it, and hands finished trials to the mirror (a `sweep.Listener`)."""

    shown: Meter
    mirror: Mirror
    rounds: dict[Path, int]
    """Rounds that each trial asks for."""
    rounds_done: dict[Path, int]
    ended: set[Path] = field(default_factory=set)
    failed: set[Path] = field(default_factory=set)

    def on_round(self, job: Job, rounds: int) -> None:
        """A round was recorded."""
        self.rounds_done[job.directory] = rounds
        self._show()

    def on_done(self, job: Job) -> None:
        """The trial is finished."""
        self._end(job)

    def on_failed(self, job: Job, failure: Failure) -> None:
        """The trial failed; said at once, for a sweep may go on for days."""
        self.failed.add(job.directory)
        self._say(f"failed: {job.trial.strategy}, seed {job.trial.seed}: {failure.error}")
        if not (job.directory / "failure.json").exists():  # it failed before its ledger was open, or its worker died
            try:
                write_failure(job.directory, failure)
            except OSError as error:
                self._say(f"that cannot be recorded: {error}")
        self._end(job)

    def _say(self, text: str) -> None:
        self.shown.console.print(text, style="red", markup=False)

    def _end(self, job: Job) -> None:
        self.ended.add(job.directory)
        if (job.directory / "trial.json").is_file():
            self.mirror.submit(job.directory)
        self._show()

    def _show(self) -> None:
        running = sum(directory not in self.ended for directory in self.rounds_done)
        done = sum(self.rounds_done.values()) + sum(
            self.rounds[directory] - self.rounds_done.get(directory, 0) for directory in self.failed
        )
        self.shown.show(
            done,
            sum(self.rounds.values()),
            f"{len(self.ended) - len(self.failed)} of {len(self.rounds)} trials done, {running} running, "
            f"{len(self.failed)} failed; rounds",
        )


def provide(plan: Plan, environment: Environment) -> None:
    """Fetch weights where the network allows, and make sure that data and weights are here before anything starts.

    Raises:
        NotProvidedError: some are not.
    """
    for store in plan.stores:
        if store.whole:
            continue
        store.example.dataset.open(environment.data_root)
        store.example.encoder.provide()
        store.example.encoder.weights()


def make_stores(plan: Plan, environment: Environment, console: Console) -> dict[str, EmbeddingStore]:
    """Embed every store of the plan that is not whole; by key. Ray is connected."""
    made: dict[str, EmbeddingStore] = {}
    for store in plan.stores:
        trial = store.example.trial
        with meter(console, "embedding, rows") as shown:
            if store.whole and store.to_be_provided:
                # The embeddings are here and the data are not: nothing to check them against, nothing missing either.
                made[store.key] = EmbeddingStore.open(environment.store / store.key)
            else:
                for example in store.examples:
                    made[store.key] = embed(example, environment, partial(shown.show, words="embedding, rows"))
        manifest = made[store.key].manifest
        console.print(
            f"embedded {trial.dataset} with {trial.encoder}: {manifest.count('pool')} rows of {manifest.dimensions} "
            f"dimensions{', as found' if store.done else f' in {manifest.seconds:.0f} s'}"
            + (
                f"; {manifest.rejects} rejected, see {made[store.key].directory / 'rejects.parquet'}"
                if manifest.rejects
                else ""
            ),
            highlight=False,
            soft_wrap=True,
        )
        for views in store.views:
            console.print(f"  and {views}", highlight=False, soft_wrap=True)
    return made


def run(plan: Plan, environment: Environment, console: Console) -> int:
    """Do what the plan says is missing; returns the exit status, 1 when a trial failed or did not finish."""
    provide(plan, environment)
    write_grid(
        plan.folder,
        Grid(
            experiment=plan.experiment.name,
            entries=tuple(Entry(fingerprint=trial.parts.fingerprint, trial=trial.parts.trial) for trial in plan.trials),
        ),
    )
    needs_ray = bool(plan.missing) or not all(store.whole for store in plan.stores)
    with connected(environment.address) if needs_ray else nullcontext():
        mirror = Mirror(environment.tracking_uri, plan.experiment.name, environment.runs / "mlartifacts")
        try:
            unfinished = _run_missing(plan, environment, console, mirror) if needs_ray else 0
            if not needs_ray:
                console.print(f"all {len(plan.trials)} trials are done; nothing to run")
            for trial in plan.trials:
                if trial.done:
                    mirror.submit(plan.folder / trial.parts.fingerprint)
            mirror.submit(
                write_report(plan.folder, plan.folder / "report.html", console, embedding_seconds(plan, environment))
            )
        finally:
            # Before Ray ends: a thread that drops the last reference to something of Ray's after that ends the process.
            if problem := mirror.finish(MIRROR_SECONDS):
                console.print(
                    f"{problem}. Nothing is lost: the next `labelbench run` writes what is missing there",
                    style="yellow",
                    markup=False,
                )
    return 1 if unfinished else 0


def _run_missing(plan: Plan, environment: Environment, console: Console, mirror: Mirror) -> int:
    """Embed, then sweep; returns how many trials failed or did not finish."""
    stores = make_stores(plan, environment, console)
    jobs = [
        job(trial.parts, plan.folder, environment, stores[trial.parts.embedding].manifest.count("pool"))
        for trial in plan.missing
    ]
    if not jobs:
        return 0
    for planned in plan.stores:
        stores[planned.key].arrays()
        for views in planned.views:
            stores[planned.key].views(views.wanted.digest, views.wanted.count)
    with meter(console, "starting workers") as shown:
        rounds = {each.directory: each.trial.rounds for each in jobs}
        done = {plan.folder / trial.parts.fingerprint: trial.rounds_done for trial in plan.missing if trial.rounds_done}
        follower = Follower(shown, mirror, rounds, done)
        sweep(jobs, plan.folder, environment, follower)
    unfinished = len(jobs) - len(follower.ended)
    console.print(
        f"{len(follower.ended) - len(follower.failed)} trials done, {len(follower.failed)} failed, {unfinished} not "
        f"finished; {len(plan.trials) - len(jobs)} were done before"
    )
    if unfinished and not follower.failed:
        console.print("interrupted; what is recorded is kept, and the same command goes on from there", style="yellow")
    return len(follower.failed) + unfinished


def embedding_seconds(plan: Plan, environment: Environment) -> float:
    """Wall seconds that the plan's stores and their views took when they were made."""
    seconds = 0.0
    for planned in plan.stores:
        store = EmbeddingStore.open(environment.store / planned.key)
        seconds += store.manifest.seconds
        for views in planned.views:
            seconds += sum(open_view(store, views.wanted.digest, view).seconds for view in range(views.wanted.count))
    return seconds


def write_report(folder: Path, page: Path, console: Console, seconds: float = 0.0) -> Path:
    """Write an experiment's page and print its table; `seconds`: what embedding took, 0 where that is not known."""
    built = report.build(folder, seconds)
    report.write(built, page)
    console.print(report.render(built))
    console.print(f"report: {page}", soft_wrap=True, highlight=False)
    return page
