"""Comparisons of several settings and fine-tunes: ratios by hand, intervals against SciPy, no empty sections."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from labelbench_ray.config import FineTune, Part
from labelbench_ray.costs import Cost
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.finetunes import FineTuneRecord
from labelbench_ray.report import build, page
from labelbench_ray.report.continual import continual
from labelbench_ray.report.contributions import ablations
from labelbench_ray.report.cost_tables import needs, threshold_words
from labelbench_ray.report.costs import embeddings
from labelbench_ray.report.curves import Experiment, read
from labelbench_ray.report.fidelity import CORRELATION, trusts
from labelbench_ray.report.protocols import protocols, ratio, wholes
from labelbench_ray.report.sections import compose
from labelbench_ray.report.selectors import selectors
from labelbench_ray.report.statistics.factorial import contrast
from labelbench_ray.report.threshold import ENOUGH_POINTS, GAP, OVERLAP
from tests.report.test_report_page import check

ACCURACIES = [0.5, 0.6, 0.7]
RECIPE = "full_model, flexmatch"
HEADINGS = {
    "What each part contributes",
    "Choosing by proxy or with the full model",
    "Continuing from the last round instead of training from scratch",
    "How far the proxy can be trusted",
}


def spent(fit, gpu=0.0):
    return {"select": Cost(5.0, 5.0), "fit": Cost(fit, fit, gpu), "evaluate": Cost(0.5, 0.5)}


def interval(values):
    return stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))


def with_finetunes(found: Experiment, points) -> Experiment:
    """The experiment with `points(run)`, recipes and records, as the fine-tunes of its trials with a linear proxy."""

    def with_points(run):
        found = {}
        for recipe, record in points(run):
            found.setdefault(recipe, {})[record.num_labeled] = record
        return replace(run, finetunes=found)

    settings = tuple(
        replace(
            setting,
            runs=tuple(with_points(run) if run.trial.proxy.name == "linear" else run for run in setting.runs),
        )
        for setting in found.settings
    )
    return replace(found, settings=settings)


def point(labels, accuracy, seconds, recipe=RECIPE, comparing=0.0, **fidelity):
    """A recipe and its record; `accuracy`: None for a record without metrics; `comparing`: seconds beside those."""
    stages = {"fine-tune": seconds} | ({"fidelity": comparing} if comparing else {})
    return recipe, FineTuneRecord(
        fingerprint="f" * 16,
        trial="a" * 16,
        num_labeled=labels,
        chosen="rows",
        metrics={} if accuracy is None else {"Test Accuracy": accuracy} | fidelity,
        seconds=stages,
        cpu={name: value / 4 for name, value in stages.items()},
        gpu={name: value * 3 / 4 for name, value in stages.items()},
        bytes_written=1,
        finished=1,
        model="m",
    )


LOST = [0.01, 0.03, 0.02]


@pytest.fixture
def two_proxies(experiment):
    """Three rounds of 0.5 + 0.5 seconds by proxy, and of 20 + 20 + 0.5 by the full model; `LOST` by seed at the end."""
    for seed, lost in enumerate(LOST):
        experiment.add("margin", seed, ACCURACIES, rounds=3, spent=spent(0.5))
        full = [*ACCURACIES[:2], ACCURACIES[2] + lost]
        tuned = Part.of("supervised", learning_rate=0.0001)  # a full model has learning rates of its own
        experiment.add("margin", seed, full, rounds=3, spent=spent(20.0, 20.0), proxy="full_model", trainer=tuned)
    return read(experiment.write())


def test_ratios_of_sums_with_the_seeds_range():
    found = ratio([10.0, 30.0], [2.0, 10.0])
    assert (found.value, found.low, found.high) == (40 / 12, 3.0, 5.0)
    assert ratio([1.0], [0.0]) is None
    assert ratio([], []) is None


def test_protocols_by_hand(two_proxies):
    stores = {"store": Cost(9.0, 12.0)}
    runs = [run for setting in two_proxies.settings for run in setting.runs]
    (found,) = protocols(two_proxies.settings, embeddings(runs, stores))
    assert (found.strategy, found.seeds, found.rounds, found.formula) == ("margin", 3, 3, 2.0)
    assert found.in_rounds.value == pytest.approx(3 * 40.5 / (3 * 1.0))  # selecting is left out
    # A sixth of the embedding, the proxy's rounds, and the full model's last round for want of a fine-tune.
    assert found.with_final.value == pytest.approx(121.5 / (2.0 + 3.0 + 40.5))
    assert not found.finetuned
    assert found.accuracy.value == pytest.approx(-0.02)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx(interval([-lost for lost in LOST]))


def test_with_a_fine_tune_its_accuracy_and_seconds_count(two_proxies):
    points = [point(30, 0.71 + 0.01 * seed, 60.0, recipe="full_model, supervised") for seed in range(3)]
    tuned = with_finetunes(two_proxies, lambda run: (points[run.trial.seed],))
    (found,) = protocols(tuned.settings, {})
    assert found.finetuned
    assert not found.equal  # the full model's learning rate was another
    assert found.with_final.value == pytest.approx(121.5 / (3.0 + 60.0))
    differences = [0.71 + 0.01 * seed - (0.7 + lost) for seed, lost in enumerate(LOST)]
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx(interval(differences))


def test_of_several_fine_tunes_the_full_model_s_trainer_counts(two_proxies):
    other, same = point(30, 0.9, 1.0), point(30, 0.7, 60.0, recipe="full_model, supervised")
    (found,) = protocols(with_finetunes(two_proxies, lambda run: (other, same)).settings, {})
    assert found.with_final.value == pytest.approx(121.5 / (3.0 + 60.0))


def test_a_fine_tune_by_another_trainer_says_nothing_of_what_the_proxy_loses(two_proxies):
    tuned = with_finetunes(two_proxies, lambda run: (point(30, 0.9, 60.0),))
    (found,) = protocols(tuned.settings, {})
    assert not found.finetuned
    assert found.accuracy.value == pytest.approx(-0.02)
    assert "of the proxy itself" in page(compose(tuned))


def test_equal_fine_tunes_come_first_and_are_called_so(two_proxies):
    equal = "full_model, supervised(learning_rate=0.0001)"
    points = [
        point(30, 0.7, 1.0, recipe="full_model, supervised"),
        point(30, 0.6, 60.0, recipe=equal),
    ]
    (found,) = protocols(with_finetunes(two_proxies, lambda run: tuple(points)).settings, {})
    assert (found.recipe, found.equal) == (equal, True)


def test_a_seed_without_its_fine_tune_is_left_out_and_the_others_count(two_proxies):
    same = point(30, 0.7, 60.0, recipe="full_model, supervised")
    (found,) = protocols(with_finetunes(two_proxies, lambda run: (same,) if run.trial.seed else ()).settings, {})
    assert (found.finetuned, found.seeds) == (True, 2)
    assert found.accuracy.value == pytest.approx(-(0.03 + 0.02) / 2)
    assert found.in_rounds.value == pytest.approx(40.5)
    assert found.with_final.value == pytest.approx(121.5 / 63.0)


def test_comparing_with_the_proxy_is_no_cost_of_a_fine_tune(two_proxies):
    compared = point(30, 0.7, 60.0, recipe="full_model, supervised", comparing=1000.0)
    assert compared[1].training.wall == 60.0
    (found,) = protocols(with_finetunes(two_proxies, lambda run: (compared,)).settings, {})
    assert found.with_final.value == pytest.approx(121.5 / 63.0)


def test_the_whole_over_one_fine_tune_by_hand(two_proxies):
    tuned = with_finetunes(two_proxies, lambda run: (point(10, 0.6, 30.0), point(30, 0.7, 60.0)))
    runs = [run for setting in tuned.settings for run in setting.runs]
    (found,) = wholes(tuned.settings, embeddings(runs, {"store": Cost(9.0, 12.0)}))
    all_rounds = 3 * (5.0 + 0.5 + 0.5)  # here selecting counts
    assert found.shared.value == pytest.approx((12 / 6 + all_rounds + 60) / 60)
    assert found.unshared.value == pytest.approx((12 + all_rounds + 60) / 60)
    assert wholes(two_proxies.settings, {}) == ()
    early = with_finetunes(two_proxies, lambda run: (point(10, 0.6, 30.0),))
    assert wholes(early.settings, {}) == ()  # none at the last budget


@pytest.mark.parametrize("other", [{"trainer": "logistic"}, {"budget": 20}, {"encoder": "efficientnet_lite0"}])
def test_other_recipes_are_not_compared(experiment, other):
    experiment.add("margin", 0, ACCURACIES, rounds=3)
    experiment.add("margin", 0, ACCURACIES, rounds=3, proxy="full_model", **other)
    assert protocols(read(experiment.write()).settings, {}) == ()


FITS = [12.0, 10.0, 8.0]


@pytest.mark.parametrize("inner", [{}, {"trainer": Part.of("supervised", epochs=5).model_dump()}])
def test_continual_training_by_hand(experiment, inner):
    scratch = Part.of("supervised", epochs=5) if inner else Part.of("supervised")
    for seed, fit in enumerate(FITS):
        experiment.add("margin", seed, ACCURACIES, rounds=3, spent=spent(fit), trainer=scratch)
        experiment.add("margin", seed, [0.9] * 3, rounds=3, spent=spent(1.0), trainer=Part.of("supervised", epochs=99))
        ends = [*ACCURACIES[:2], ACCURACIES[2] - LOST[seed]]
        experiment.add("margin", seed, ends, rounds=3, spent=spent(2.0), trainer=Part.of("warm_start", **inner))
    experiment.add("margin", 3, ACCURACIES, rounds=3, trainer=Part.of("warm_start", **inner))  # without a partner
    (found,) = continual(read(experiment.write()).settings)
    assert found.scratch.trial.trainer == scratch
    assert found.seeds == 3
    assert found.fit.value == pytest.approx(6.0 / 30.0)
    assert (found.fit.low, found.fit.high) == pytest.approx((2 / 12, 2 / 8))
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx(interval([-lost for lost in LOST]))


def test_row_passes_and_forgetting_by_hand(experiment):
    """Passes of the rounds after the first; to equal accuracy up to the round in which scratch is as good."""
    work = {"Fit Row Passes": 100.0, "Fit Epochs": 4.0, "Earlier Labels Accuracy": 0.9}
    gone_on = {"Fit Row Passes": 25.0, "Fit Epochs": 2.0, "Earlier Labels Accuracy": 0.8}
    for seed, end in enumerate([0.6, 0.65, 0.7]):  # scratch gets there in its second, third and third round
        experiment.add("margin", seed, ACCURACIES, rounds=3, extra=work)
        experiment.add("margin", seed, [0.5, 0.55, end], rounds=3, trainer="der", extra=gone_on)
    (found,) = continual(read(experiment.write()).settings)
    assert (found.passes.value, found.passes.low, found.passes.high) == (4, 4, 4)
    assert found.matched.value == pytest.approx((100 + 200 + 200) / 150)
    assert (found.matched.low, found.matched.high) == (2, 4)
    assert found.epochs == 2
    assert found.earlier == pytest.approx(0.8)
    assert found.earlier_change.value == pytest.approx(-0.1)


def test_scratch_that_never_is_as_accurate_counts_with_all_of_its_row_passes(experiment):
    """Of three seeds, scratch gets there in its second round, never, and in its first, which costs nothing here."""
    work = {"Fit Row Passes": 100.0}
    for seed, end in enumerate([0.6, 0.71, 0.5]):
        experiment.add("margin", seed, ACCURACIES, rounds=3, extra=work)
        experiment.add("margin", seed, [0.5, 0.55, end], rounds=3, trainer="der", extra=work)
    (found,) = continual(read(experiment.write()).settings)
    assert found.matched.value == pytest.approx((100 + 200 + 0) / 600)
    assert (found.matched.low, found.matched.high) == (0, 1)
    assert found.unmatched == 1
    assert found.passes.value == 1
    assert found.epochs is None
    assert found.earlier is None
    assert found.backward is None
    shown = page(build(experiment.folder))
    assert "at least 0.50" in shown
    assert "from scratch never gets there for 1 of 3 seeds" in shown


def test_backward_transfer_by_hand(experiment):
    """The last model on the rows of all rounds but the last, less each round's own model on those it bought."""
    for seed, end in enumerate([0.8, 0.7]):
        own = [{"Newest Labels Accuracy": own} for own in (1.0, 0.9, 0.5)]
        own[-1]["Earlier Labels Accuracy"] = end
        experiment.add("margin", seed, ACCURACIES, rounds=3)
        experiment.add("margin", seed, ACCURACIES, rounds=3, trainer="newest_only", extra_by_round=own)
    (found,) = continual(read(experiment.write()).settings)
    assert found.backward.value == pytest.approx((0.8 + 0.7) / 2 - 0.95)
    assert found.passes is None


def test_continual_training_without_one_from_scratch_says_nothing(experiment):
    experiment.add("margin", 0, ACCURACIES, rounds=3, trainer="warm_start")
    experiment.add("margin", 0, ACCURACIES, rounds=3, trainer="logistic")
    assert continual(read(experiment.write()).settings) == ()


NOISE = np.random.default_rng(0).normal(0, 0.01, (2, 2, 2, 4))
EFFECTS = {"margin": 0.03, "flexmatch": 0.02, "efficientnet_lite0": 0.10}


@pytest.fixture
def ablated(experiment):
    """{random, margin} x {supervised, flexmatch} x {pixels, efficientnet_lite0} x 4 seeds with these effects."""
    for place, value in np.ndenumerate(NOISE):
        levels = [("random", "margin"), ("supervised", "flexmatch"), ("pixels", "efficientnet_lite0")]
        strategy, trainer, encoder = (pair[side] for pair, side in zip(levels, place, strict=False))
        end = 0.5 + sum(EFFECTS.get(level, 0) for level in (strategy, trainer, encoder)) + value
        seed = place[3]
        experiment.add(strategy, seed, [0.4, end], rounds=2, trainer=trainer, encoder=encoder)
    return read(experiment.write())


def test_contributions_by_hand(ablated):
    (found,) = ablations(ablated.settings)
    assert [(part.field, part.level, part.plain) for part in found.parts] == [
        ("strategy", "margin", "random"),
        ("encoder", "efficientnet_lite0", "pixels"),  # the one with the lower accuracy is the plain one
        ("trainer", "flexmatch", "supervised"),
    ]
    for part, axis in zip(found.parts, (0, 2, 1), strict=True):
        effect = EFFECTS[part.level] + np.diff(NOISE, axis=axis).squeeze(axis)
        assert (part.effect.low, part.effect.high) == pytest.approx(interval(effect.mean(axis=(0, 1))))
        assert len(part.contexts) == 4
        assert sorted(estimate.value for _, estimate in part.contexts) == pytest.approx(
            sorted(effect.mean(axis=2).flat)
        )
    assert found.together.value == pytest.approx(0.15 + (NOISE[1, 1, 1] - NOISE[0, 0, 0]).mean())


def test_a_complete_factorial_has_main_effects_and_interactions(ablated):
    (found,) = ablations(ablated.settings)
    assert found.factorial.parts == ("strategy margin", "encoder efficientnet_lite0", "trainer flexmatch")
    assert found.factorial.instead == ("random", "pixels", "supervised")
    ends = NOISE.transpose(3, 0, 2, 1)  # seed, strategy, encoder, trainer
    expected = {(0,): 0.03, (1,): 0.10, (2,): 0.02}
    for effect in found.factorial.effects:
        per_seed = contrast(ends, effect.factors) + expected.get(effect.factors, 0)
        assert (effect.size.low, effect.size.high) == pytest.approx(interval(per_seed))
    shown = page(compose(ablated))
    assert "Main effects and interactions" in shown
    assert "margin x encoder efficientnet_lite0 x trainer flexmatch" in shown
    assert len(document(compose(ablated))["contributions"][0]["factorial"]["effects"]) == 7


def test_an_incomplete_factorial_has_none(experiment):
    for strategy, trainer in (("random", "supervised"), ("random", "flexmatch"), ("margin", "flexmatch")):
        for seed in range(3):
            experiment.add(strategy, seed, [0.4, 0.5], rounds=2, trainer=trainer)
    report = compose(read(experiment.write()))
    (found,) = report.across.ablations
    assert found.factorial is None
    assert "Main effects and interactions" not in page(report)


def test_of_several_trainers_the_factorial_has_a_method_and_its_control(experiment):
    for encoder, more in (("pixels", 0.0), ("efficientnet_lite0", 0.1)):
        for name, views, gain in (("supervised", "", 0.0), ("control", "v", 0.02), ("flexmatch", "v", 0.03 + more)):
            trainer = Part.of("fixmatch", unlabeled_weight=0) if name == "control" else Part(name=name)
            for seed in range(3):
                end = 0.5 + gain + more + 0.001 * seed * len(name)
                experiment.add("random", seed, [0.4, end], rounds=2, encoder=encoder, trainer=trainer, views=views)
    (found,) = ablations(read(experiment.write()).settings)
    assert found.factorial.parts == ("encoder efficientnet_lite0", "trainer flexmatch")
    assert found.factorial.instead == ("pixels", "fixmatch(unlabeled_weight=0)")
    interaction = found.factorial.effects[-1]
    assert interaction.size.value == pytest.approx(0.1)


def test_labels_saved_by_a_part_are_those_to_the_plain_level_s_accuracy(experiment):
    for seed in range(3):
        experiment.add("random", seed, [0.4, 0.5, 0.6], rounds=3, encoder="pixels")
        experiment.add("random", seed, [0.5, 0.7, 0.8], rounds=3, encoder="efficientnet_lite0")
    (found,) = ablations(read(experiment.write()).settings)
    ((saving,),) = [part.savings for part in found.parts]
    assert (saving.labels, saving.random_labels) == (pytest.approx(15), 30)
    assert "50\u00a0%" in page(compose(read(experiment.folder)))


def with_control(experiment, *trainers):
    """{supervised, the control, flexmatch} x 4 seeds: views add 2 points, unlabeled rows 1 more."""
    levels = {
        "supervised": (Part.of("supervised"), "", 0.0),
        "control": (Part.of("fixmatch", unlabeled_weight=0), "abc:5", 0.02),
        "longer": (Part.of("fixmatch", unlabeled_weight=0, epochs=60), "abc:5", 0.05),
        "flexmatch": (Part.of("flexmatch", threshold=0.9), "abc:5", 0.03),
    }
    for name in trainers:
        trainer, views, gain = levels[name]
        for seed in range(4):
            end = 0.5 + gain + 0.001 * seed * len(name)
            experiment.add("random", seed, [0.4, end], rounds=2, trainer=trainer, views=views)
    return read(experiment.write())


def test_a_trainer_of_unlabeled_rows_is_measured_against_the_control_with_the_same_steps(experiment):
    found = with_control(experiment, "supervised", "control", "longer", "flexmatch")
    parts = {part.level: part for part in ablations(found.settings)[0].parts}
    flexmatch = parts["flexmatch(threshold=0.9)"]
    assert (flexmatch.plain, flexmatch.unlike) == ("fixmatch(unlabeled_weight=0)", False)
    assert flexmatch.effect.value == pytest.approx(0.01 + 0.0015 * (len("flexmatch") - len("control")))
    control = parts["fixmatch(unlabeled_weight=0)"]
    assert (control.plain, control.unlike) == ("supervised", True)
    assert "other steps, no views" in page(compose(found))


def test_without_the_control_it_is_stated_that_steps_and_views_differ(experiment):
    found = with_control(experiment, "supervised", "longer", "flexmatch")  # the control takes other steps
    parts = {part.level: part for part in ablations(found.settings)[0].parts}
    assert (parts["flexmatch(threshold=0.9)"].plain, parts["flexmatch(threshold=0.9)"].unlike) == ("supervised", True)
    assert document(compose(found))["contributions"][0]["parts"][-1]["unlike"]


def test_seeds_are_paired_and_the_missing_left_out(experiment):
    for seed in range(3):
        experiment.add("random", seed, [0.4, 0.5 + 0.1 * seed], rounds=2)
        if seed:
            experiment.add("random", seed, [0.4, 0.52 + 0.1 * seed], rounds=2, trainer="flexmatch")
    (found,) = ablations(read(experiment.write()).settings)
    (part,) = found.parts
    assert (part.effect.seeds, part.effect.value) == (2, pytest.approx(0.02))
    assert found.together.value == pytest.approx(0.02)


def test_a_setting_that_has_just_begun_does_not_shorten_the_others(experiment):
    for seed in range(3):
        experiment.add("random", seed, [0.4, 0.5], rounds=2)
        experiment.add("random", seed, [0.4, 0.6], rounds=2, trainer="flexmatch")
    experiment.add("random", 0, [0.4], rounds=2, trainer="uda")
    (found,) = ablations(read(experiment.write()).settings)
    assert found.labels == 20
    assert [part.level for part in found.parts] == ["flexmatch"]


def test_strategies_or_budgets_alone_are_no_ablation(experiment):
    for strategy in ("random", "margin"):
        for budget in (10, 20):
            experiment.add(strategy, 0, ACCURACIES, rounds=3, budget=budget)
    assert ablations(read(experiment.write()).settings) == ()


def fidelity(run):
    """Overlap 0.2, 0.4, none at the end; a gap of 5 points, 3 points; by seed a little more."""
    seed = run.trial.seed
    return (
        point(10, 0.55, 30.0, **{OVERLAP: 0.2 + 0.01 * seed, CORRELATION: 0.5, GAP: 0.05}),
        point(20, 0.66, 40.0, **{OVERLAP: 0.4 + 0.02 * seed, CORRELATION: 0.7, GAP: 0.03}),
        point(30, 0.72, 60.0),
    )


def test_trust_by_hand(two_proxies):
    (found,) = trusts(with_finetunes(two_proxies, fidelity).settings)
    assert (found.strategy, found.recipe) == ("margin", RECIPE)
    assert [line.labels for line in found.lines] == [10, 20]
    line = found.lines[1]
    assert (line.overlap.low, line.overlap.high) == pytest.approx(interval([0.40, 0.42, 0.44]))
    assert (line.correlation.value, line.gap.value) == (pytest.approx(0.7), pytest.approx(0.03))
    assert found.target == pytest.approx(0.7)  # the proxy's end
    assert found.proxy_labels == pytest.approx(30)
    assert found.full_labels == pytest.approx(20 + 10 * 4 / 6)  # 0.66 to 0.72
    assert needs(found) == "For 70.0\u00a0% the proxy needs 30 labels, the full model 27."


def test_what_is_reached_at_once_or_never_is_said(two_proxies):
    at_once = with_finetunes(two_proxies, lambda run: (point(10, 0.8, 1.0, **{GAP: 0.3}), point(30, 0.9, 1.0)))
    assert "the full model at most 10." in needs(trusts(at_once.settings)[0])
    never = replace(trusts(at_once.settings)[0], proxy_labels=float("inf"))
    assert "the proxy needs more than 10 labels" in needs(never)


def test_few_points_are_not_fitted(two_proxies):
    report = compose(with_finetunes(two_proxies, fidelity))
    assert report.across.threshold is None
    assert str(ENOUGH_POINTS) in threshold_words(None)


@pytest.fixture
def selecting(experiment):
    """{linear, shallow, full model} x {random, margin} x 3 seeds with one final model, 3 rounds."""
    model, trainer = Part.of("full_model"), Part.of("supervised", learning_rate=0.0001)
    for seed in range(3):
        for strategy in ("random", "margin"):
            for light in ("linear", "shallow"):
                experiment.add(strategy, seed, ACCURACIES, rounds=3, spent=spent(0.5), proxy=light)
            full = {"proxy": model, "trainer": trainer}
            experiment.add(strategy, seed, ACCURACIES, rounds=3, spent=spent(20.0, 20.0), **full)
    return with_selected(read(experiment.write()), str(FineTune(model=model, trainer=trainer)))


def with_selected(found, recipe):
    """Each trial's final model: the same under random; margin adds 2, 4 or 5 points by the model."""
    gains, agree = {"linear": 0.02, "shallow": 0.04, "full_model": 0.05}, {"linear": 0.1, "shallow": 0.3}

    def tuned(run):
        proxy, seed = run.trial.proxy.name, run.trial.seed
        luck = 0.01 * seed * (proxy == "linear")
        gain = (gains[proxy] - luck) * (run.strategy == "margin")
        kinds = {OVERLAP: agree.get(proxy, 0.5) + luck, CORRELATION: agree.get(proxy, 0.5) + 0.2}
        records = [point(n, 0.6 + n / 100 + gain * (n > 10) + 0.001 * seed, 9.0, **kinds)[1] for n in (10, 20, 30)]
        return replace(run, finetunes={recipe: {record.num_labeled: record for record in records}})

    settings = tuple(replace(each, runs=tuple(tuned(run) for run in each.runs)) for each in found.settings)
    return replace(found, settings=settings)


def test_selectors_by_hand(selecting):
    (found,) = selectors(selecting.settings)
    assert found.labels == (10, 20, 30)
    lines = {(line.setting.trial.proxy.name, line.strategy): line for line in found.lines}
    assert len(lines) == 6
    linear, full = lines["linear", "margin"], lines["full_model", "margin"]
    assert (linear.lost.low, linear.lost.high) == pytest.approx(interval([-0.03, -0.04, -0.05]))
    assert full.lost is None
    assert lines["linear", "random"].lost.value == 0
    assert full.saving.labels == pytest.approx(25)  # 0.85 at 20, 0.95 at 30, random 0.90 at 30
    assert (linear.spent.cpu, full.spent.gpu) == (pytest.approx(3 * 6.0), pytest.approx(60.0))
    assert (linear.overlap.low, linear.overlap.high) == pytest.approx(interval([0.10, 0.11, 0.12]))
    (overlap,) = [enough for strategy, name, enough in found.enough if (strategy, name[:7]) == ("margin", "overlap")]
    slopes = [0.01 * (2 + seed) / (0.2 - 0.01 * seed) for seed in range(3)]  # shallow less linear
    assert overlap.slope.value == pytest.approx(np.mean(slopes))
    assert {strategy for strategy, *_ in found.enough} == {"margin"}  # random reads no model
    shown = page(compose(selecting))
    assert "for each 0.1" in shown
    assert "Which model selects" in shown
    assert "GPU time" in shown
    assert len(document(compose(selecting))["selectors"][0]["lines"]) == 6


def test_while_the_first_fine_tune_is_trained_the_report_has_no_cost_of_it(two_proxies):
    """Its folder is there, and no record in it."""
    begun = tuple(
        replace(each, runs=tuple(replace(run, finetunes={RECIPE: {}}) for run in each.runs))
        for each in two_proxies.settings
    )
    report = compose(replace(two_proxies, settings=begun))
    assert [line.tuned for section in report.sections for line in section.costs] == [None, None]
    assert selectors(begun) == ()
    assert "What it costs" in page(report)


def test_random_buys_the_same_rows_beside_any_selector(selecting):
    def without(run):
        return replace(run, finetunes={}) if (run.strategy, run.trial.proxy.name) == ("random", "full_model") else run

    kept = tuple(replace(each, runs=tuple(without(run) for run in each.runs)) for each in selecting.settings)
    (every,), (some,) = selectors(selecting.settings), selectors(kept)
    full = [next(line for line in each.lines if line.saving and line.lost is None) for each in (every, some)]
    assert full[0].saving == full[1].saving
    assert len(some.lines) == len(every.lines) - 1


def test_a_single_selector_or_several_final_models_are_not_compared(two_proxies):
    assert selectors(two_proxies.settings) == ()
    assert selectors(with_finetunes(two_proxies, fidelity).settings) == ()


def headings(report):
    return HEADINGS & set(check(page(report)).texts)


def test_one_setting_alone_has_none_of_the_sections(planted):
    assert headings(build(planted(seeds=1))) == set()


def test_sections_of_the_protocols(two_proxies):
    tuned = compose(with_finetunes(two_proxies, fidelity))
    assert headings(tuned) == {"Choosing by proxy or with the full model", "How far the proxy can be trusted"}
    assert "full model at the end" in page(tuned)
    (protocol,) = document(tuned)["protocols"]
    assert protocol["formula"] == 2.0


def test_sections_of_an_ablation(ablated):
    assert headings(compose(replace(ablated, settings=ablated.settings[:2]))) == {"What each part contributes"}


def test_sections_of_continual_training(experiment):
    for trainer in ("supervised", "warm_start"):
        experiment.add("random", 0, ACCURACIES, rounds=3, trainer=trainer)
    assert "Continuing from the last round instead of training from scratch" in headings(
        compose(read(experiment.write()))
    )
