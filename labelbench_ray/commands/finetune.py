"""`labelbench finetune`: train the full models that an experiment asks for, on the labels that its trials bought."""

from contextlib import nullcontext

from rich.console import Console

from labelbench_ray.api.executors import Executor, executor_of, started
from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.api.report import write_report
from labelbench_ray.api.run_plan import mirrored, note_grid, report_outcome, submit_tunings
from labelbench_ray.api.stores import make_images
from labelbench_ray.console.events import Events
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, NotProvidedError
from labelbench_ray.planning.finetunes import PlannedTuning
from labelbench_ray.planning.memory import tuning_bytes
from labelbench_ray.planning.plan import Plan
from labelbench_ray.planning.units import finetune_units
from labelbench_ray.tracking.mirror import AnyMirror
from labelbench_ray.trial.missing_responses import Chosen, check_written


def finetune(plan: Plan, environment: Environment, console: Console, prices: Prices = ASSUMED) -> int:
    """Run the missing fine-tunes; returns the exit status: 1 when one failed or its labels are not bought yet.

    Raises:
        ConfigError: the experiment asks for no fine-tune, or no trial has bought labels for one.
        NotProvidedError: data or weights are not on this machine.
    """
    if not plan.tunings:
        raise ConfigError(
            f"{plan.experiment.name} asks for no fine-tune; give its trials one: `finetune=FineTune()` "
            "(labelbench_ray.config)"
        )
    missing = [tuning for tuning in plan.tunings if tuning.missing]
    ready = [tuning for tuning in missing if _bought(plan, tuning) >= max(tuning.budgets)]
    if missing and not ready:
        raise ConfigError(
            f"no trial of {plan.experiment.name} has bought the labels that its fine-tune is asked for; "
            "`labelbench run` buys them"
        )
    if ready and (lacking := sorted({text for store in plan.stores for text in store.to_be_provided})):
        raise NotProvidedError("; ".join(lacking))
    check_written(
        [Chosen(tuning.parts, tuning.trial, max(tuning.budgets)) for tuning in ready], environment, plan.folder
    )
    note_grid(plan)
    unfinished = len(missing) - len(ready)
    executor = executor_of(environment) if ready else None
    able = started(executor, environment, console, finetune_units(plan)) if executor else nullcontext()
    with able, mirrored(plan, environment, console) as mirror:
        if executor:
            unfinished += _fit(plan, ready, executor, environment, console, mirror)
        else:
            console.print(f"all {len(plan.tunings)} fine-tunes are done; nothing to run")
        submit_tunings(plan, [tuning for tuning in plan.tunings if tuning not in ready], mirror)
        mirror.submit(write_report(plan.folder, plan.folder / "report.html", console, prices, environment.store))
    if len(missing) > len(ready):
        console.print(
            f"{len(missing) - len(ready)} trials have not bought their labels yet; `labelbench run` buys them",
            style="yellow",
        )
    return 1 if unfinished else 0


def _fit(
    plan: Plan,
    ready: list[PlannedTuning],
    executor: Executor,
    environment: Environment,
    console: Console,
    mirror: AnyMirror,
) -> int:
    make_images(environment, console, [tuning.parts for tuning in ready])
    jobs = [executor.finetune_job(tuning.parts, tuning.trial.parent) for tuning in ready]
    budgets = {job.directory: len(tuning.missing) for job, tuning in zip(jobs, ready, strict=True)}
    with meter(console, "starting, fine-tunes", sum(budgets.values())) as shown:
        monitor = SweepMonitor(shown, mirror, "fine-tunes", budgets, {}, events=Events(plan.experiment.name))
        try:
            executor.run(jobs, monitor, max(tuning_bytes(tuning.parts) for tuning in ready), None)
        finally:  # also when it is interrupted: this much is recorded
            unfinished = report_outcome(monitor, console, sum(not tuning.missing for tuning in plan.tunings))
    return unfinished


def _bought(plan: Plan, tuning: PlannedTuning) -> int:
    """Labels that the trial's ledger holds."""
    rounds = next(each.rounds_done for each in plan.trials if each.parts.fingerprint == tuning.parts.fingerprint)
    return rounds * tuning.parts.trial.budget
