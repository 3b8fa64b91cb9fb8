"""What a reader must know before trusting the answer."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from labelbench_ray.encoders.networks.device_models import without_models
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report import words
from labelbench_ray.report.comparison_cautions import Caution, of_comparison
from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.several_versions import several_versions
from labelbench_ray.report.statistics.comparison import Comparison

VALIDATION: Final = "Num Validation Labels"


def cautions(setting: Setting, comparison: Comparison | None) -> tuple[Caution, ...]:
    """All that applies, the gravest first."""
    found: list[Caution] = [
        *_changed_data(setting),
        *_rebuilt(setting),
        *_unfinished(setting),
        *_stopped(setting),
        *_failed_finetunes(setting),
        *_mixed(setting),
        *_several_devices(setting),
    ]
    if comparison is not None:
        found += of_comparison(setting, comparison)
    return (*found, *_overlapping(setting), *_validation(setting))


def _changed_data(setting: Setting) -> Iterator[Caution]:
    changed = list(dict.fromkeys(str(run.data) for run in setting.runs if run.data.changed))
    if changed:
        yield Caution(
            "The data have changed",
            f"The data have changed since they were embedded: {'; '.join(changed)}. These results are for the earlier "
            "data.",
        )


def _rebuilt(setting: Setting) -> Iterator[Caution]:
    found = list(dict.fromkeys(run.data.rebuilt for run in setting.runs if run.data.rebuilt))
    if found:
        yield Caution("Shards were rebuilt", f"Of the embeddings, {'; '.join(found)}.")


def _overlapping(setting: Setting) -> Iterator[Caution]:
    found = list(dict.fromkeys(str(run.data.overlaps) for run in setting.runs if run.data.overlaps.found))
    if found:
        yield Caution(
            "Rows are in two splits",
            f"{'; '.join(found)}. Test {setting.noun} is too high where a test row was trained on, and too low where "
            "it was trained on with another label. The data set's setting drop_duplicates=True removes such rows "
            "from the pool.",
        )


def of_embeddings(setting: Setting, warnings: Mapping[str, str]) -> tuple[Caution, ...]:
    """What to know of the embeddings that the trials were computed from; `warnings`: by a store's content hash."""
    stores = dict.fromkeys(run.store for run in setting.runs)
    return tuple(Caution("Texts are cut", f"{warnings[store]}.") for store in stores if store in warnings)


def _unfinished(setting: Setting) -> Iterator[Caution]:
    counts = Counter(run.state for run in setting.runs)
    listed = [
        f"{counts[state]} {state.words}" for state in TrialState if state is not TrialState.DONE and counts[state]
    ]
    if not listed:
        return
    consequence = (
        "No trial is finished yet, so this comparison is preliminary."
        if setting.preliminary
        else "The comparison leaves them out; they are listed below."
    )
    yield Caution("Trials are not finished", f"Of {len(setting.runs)} trials, {words.listed(listed)}. {consequence}")


def _stopped(setting: Setting) -> Iterator[Caution]:
    stopped = [run for run in setting.runs if run.state is TrialState.STOPPED_EARLY]
    names = list(dict.fromkeys(run.strategy for run in stopped))
    ended = [f"{name} ({_seeds([run.trial.seed for run in stopped if run.strategy == name])})" for name in names]
    finished = {run.strategy for run in setting.runs if run.state is TrialState.DONE}
    if stopped:
        yield Caution(
            "Early stopping was on",
            f"Trials that ended before their last round because others were better: {words.listed(ended)}. They have "
            f"no final {setting.noun}, and the budget does not count the validation labels that decided. "
            + _thinned([name for name in names if name in finished], setting.baseline)
            + _gone([name for name in names if name not in finished], setting.baseline)
            + "For an unbiased comparison run the experiment again without --early-stopping, which resumes them.",
        )


def _thinned(strategies: list[str], baseline: str) -> str:
    """The bias for strategies of which only some trials were stopped."""
    if not strategies:
        return ""
    smaller = f"; because {baseline} is the baseline, the savings of the others look smaller"
    return (
        f"Final numbers come from the stronger seeds alone for {words.listed(strategies)}, which favors "
        f"{'it' if len(strategies) == 1 else 'them'} and narrows intervals{smaller if baseline in strategies else ''}. "
    )


def _gone(strategies: list[str], baseline: str) -> str:
    """The gap that strategies without a finished trial leave."""
    if not strategies:
        return ""
    without = f"; without {baseline} there is no baseline"
    return (
        f"No trial of {words.listed(strategies)} ran to the end, and being behind half-way does not show how it would "
        f"have ended{without if baseline in strategies else ''}. "
    )


def _failed_finetunes(setting: Setting) -> Iterator[Caution]:
    failed = [
        f"{run.strategy}, seed {run.trial.seed}: {error}" for run in setting.runs for error in run.finetune_failures
    ]
    if failed:
        yield Caution(
            "Fine-tunes failed",
            f"Their accuracies and costs are missing. {'; '.join(failed)}.",
        )


def _mixed(setting: Setting) -> Iterator[Caution]:
    stores = {(run.store, without_models(run.compute)) for run in setting.compared}
    if len(stores) > 1:
        yield Caution(
            "Different embeddings",
            f"The compared trials were computed from {len(stores)} different embedding stores or compute paths, so "
            "their differences are not due to the strategies alone.",
        )
    odd = sorted(seed for seed, first in _first_batches(setting.compared).items() if len(first) > 1)
    if odd and setting.shares_first_batches:
        yield Caution(
            "Not paired",
            f"Trials of {_seeds(odd)} do not share their first batch, so the comparison is not "
            "paired and its intervals may be wrong.",
        )
    if text := several_versions(setting):
        yield Caution("Made by several versions", text)


def _several_devices(setting: Setting) -> Iterator[Caution]:
    """For trials of which some rounds were scored on the CPU and others on a GPU: --score-on changed in between."""
    scored = [(run, sorted({each.scored_on or "cpu" for each in run.records})) for run in setting.runs]
    found = [f"{run.strategy}, seed {run.trial.seed}, on {words.listed(on)}" for run, on in scored if len(on) > 1]
    if found:
        yield Caution(
            "Scored on several devices",
            f"Rounds of one trial were scored on several devices: {'; '.join(found)}. Scores differ by rounding "
            "between them, so such a trial may choose other rows than one that stays on one device.",
        )


def _first_batches(runs: tuple[Run, ...]) -> dict[int, set[tuple[int, ...]]]:
    batches: dict[int, set[tuple[int, ...]]] = {}
    for run in runs:
        if run.records:
            batches.setdefault(run.trial.seed, set()).add(tuple(sorted(run.records[0].chosen)))
    return batches


def _seeds(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {words.listed([str(seed) for seed in seeds])}"


def _validation(setting: Setting) -> Iterator[Caution]:
    most = max((record.metrics.get(VALIDATION, 0) for run in setting.runs for record in run.records), default=0)
    if most > 0:
        yield Caution(
            "Validation labels also cost",
            f"Training uses {words.count(most)} validation labels for early stopping. Every strategy needs them in "
            "addition to the labels shown.",
        )
