"""Mini-batch AdamW with the reference system's defects fixed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as draw

from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.proxies.shallow import Shallow
from labelbench_ray.trainers import EmbeddedInputs, FitData
from labelbench_ray.trainers.engine.data import embedded_data
from labelbench_ray.trainers.engine.descent import smoothed
from labelbench_ray.trainers.engine.fit import learning_rate_factor
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.types import Examples


def examples(embeddings: object, labels: object) -> Examples:
    return Examples(np.asarray(embeddings, np.float32), np.asarray(labels, np.int64))


def data(labeled: Examples, validation: Examples, classes: int) -> FitData[EmbeddedInputs]:
    dimensions = labeled.embeddings_BD.shape[1]
    identity = Standardization(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
    ids = np.arange(len(labeled.labels_B))
    return embedded_data(labeled.embeddings_BD, labeled.labels_B, validation, classes, identity, ids)


def clusters(rows: int, classes: int = 3, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    return examples(4 * np.eye(classes)[labels] + 0.5 * rng.normal(size=(rows, classes)), labels)


def accuracy(classifier: Classifier, given_rows: Examples) -> float:
    return float((classifier.logits(given_rows.embeddings_BD).argmax(axis=1) == given_rows.labels_B).mean())


@given(warmup=draw.integers(0, 2000), total=draw.integers(1, 5000))
def test_the_learning_rate_reaches_its_target_once_warm_and_ends_near_nothing(warmup: int, total: int):
    factors = [learning_rate_factor(step, warmup, total) for step in range(total)]
    assert max(factors) == pytest.approx(1)
    top = int(np.argmax(factors))
    assert top <= total / 10
    assert (np.diff(factors[: top + 1]) >= 0).all()
    assert (np.diff(factors[top:]) <= 1e-12).all()
    assert min(factors) >= 0
    assert learning_rate_factor(total, warmup, total) == pytest.approx(0, abs=1e-12)


@given(warmup=draw.integers(1, 400), extra=draw.integers(0, 400))
def test_the_schedule_is_linear_then_half_a_cosine(warmup: int, extra: int):
    total = 10 * warmup + extra
    middle = warmup + (total - warmup) / 2
    assert learning_rate_factor(0, warmup, total) == pytest.approx(1 / warmup)
    assert learning_rate_factor(warmup - 1, warmup, total) == pytest.approx(1)
    assert learning_rate_factor(middle, warmup, total) == pytest.approx(0.5)  # type: ignore[arg-type]


def test_smoothed_targets_spread_a_share_over_all_classes():
    targets = smoothed(torch.tensor([0, 2]), 4, 0.1)
    np.testing.assert_allclose(targets, [[0.925, 0.025, 0.025, 0.025], [0.025, 0.025, 0.925, 0.025]], atol=1e-7)


@pytest.mark.parametrize("proxy", [Linear(), Shallow()])
@pytest.mark.parametrize("rows", [3, 60, 300])
def test_learns_separable_classes_also_from_fewer_rows_than_a_batch(proxy: Linear | Shallow, rows: int):
    fitted = Supervised(learning_rate=0.05).fit(proxy, data(clusters(rows), clusters(60, seed=1), 3), seed=0)
    assert accuracy(fitted, clusters(300, seed=2)) > 0.95


def test_a_single_row_of_a_single_class_trains():
    fitted = Supervised(learning_rate=0.05).fit(Linear(), data(clusters(1), clusters(60, seed=1), 3), seed=0)
    assert np.isfinite(fitted.logits(clusters(3).embeddings_BD)).all()


def test_a_fit_depends_on_its_seed_and_on_nothing_that_ran_before():
    given_data = data(clusters(200), clusters(60, seed=1), 3)
    rows = clusters(50, seed=2).embeddings_BD

    def fit(seed: int) -> np.ndarray:
        return Supervised(epochs=4).fit(Linear(), given_data, seed).logits(rows)

    first = fit(3)
    torch.manual_seed(99)
    np.testing.assert_array_equal(fit(3), first)
    assert (fit(4) != first).any()


def test_leaves_the_process_s_random_state_alone():
    state = torch.get_rng_state()
    Supervised(epochs=2).fit(Linear(), data(clusters(20), clusters(60, seed=1), 3), seed=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_early_stopping_restores_the_best_epoch():
    """Validation rows that contradict the labeled ones are best served before much is learned."""
    labeled, agreeing = clusters(300), clusters(60, seed=1)
    contrary = examples(agreeing.embeddings_BD, (agreeing.labels_B + 1) % 3)
    trainer = Supervised(learning_rate=0.05, batch_size=64, patience=3)
    stopped = trainer.fit(Linear(), data(labeled, contrary, 3), seed=0)
    learned = trainer.fit(Linear(), data(labeled, agreeing, 3), seed=0)
    assert loss(stopped, contrary) < loss(learned, contrary) / 2


def loss(classifier: Classifier, rows: Examples) -> float:
    likelihood = classifier.probabilities(rows.embeddings_BD)[np.arange(len(rows.labels_B)), rows.labels_B]
    return float(-np.log(likelihood.astype(np.float64)).mean())


def test_patience_decides_when_to_stop_but_not_which_epoch_is_best():
    contrary = examples(clusters(60, seed=1).embeddings_BD, (clusters(60, seed=1).labels_B + 1) % 3)
    given_data = data(clusters(300), contrary, 3)
    weights = [
        Supervised(learning_rate=0.05, patience=patience).fit(Linear(), given_data, seed=0).layers[0][0]
        for patience in (1, 5, 30)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])


@pytest.mark.parametrize("where", ["labeled", "validation"])
def test_inputs_that_are_not_numbers_are_reported_with_epoch_and_learning_rate(where: str):
    parts = {"labeled": clusters(20), "validation": clusters(20, seed=1)}
    parts[where].embeddings_BD[3, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"epoch 0\)?,? (at )?learning rate .* lower `learning_rate`"):
        Supervised().fit(Linear(), data(**parts, classes=3), seed=0)


# One step of AdamW moves a weight by lr * g / (|g| + 1e-8). With inputs as small as 1e-8 that is not a mere sign: it
# shows the gradient g, and so the targets that the loss was given.
SCALE = 1e-8
INPUTS = SCALE * np.array([[3.0, -1.0], [1.0, 2.0]])
LABELS = [0, 2]
CLASSES = 3


def first_gradient(seed: int = 5, **settings: float) -> tuple[Classifier, np.ndarray]:
    """The untrained proxy, and the gradient (D, K) that its first step followed, read off a step of learning rate 1."""
    labeled = examples(INPUTS, LABELS)
    before, after = (
        Supervised(epochs=1, weight_decay=0, warmup_steps=0, learning_rate=rate, **settings).fit(
            Linear(), data(labeled, labeled, CLASSES), seed
        )
        for rate in (1e-30, 1.0)
    )
    step = (after.layers[0][0] - before.layers[0][0]).astype(np.float64)
    return before, -SCALE * step / (1 - np.abs(step))


def expected_gradient(start: Classifier, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The same by autograd in float64 on the written-out loss -mean sum_k t_k log p_k."""
    weight, bias = (torch.from_numpy(array.astype(np.float64)) for array in start.layers[0])
    weight.requires_grad_()
    log_probabilities = torch.log_softmax(torch.from_numpy(inputs) @ weight + bias, dim=1)
    (-(torch.from_numpy(targets) * log_probabilities).sum(dim=1).mean()).backward()
    assert weight.grad is not None
    return weight.grad.numpy()


def spread(smoothing: float) -> np.ndarray:
    return (1 - smoothing) * np.eye(CLASSES)[LABELS] + smoothing / CLASSES


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_first_step_follows_the_smoothed_targets(smoothing: float):
    start, gradient = first_gradient(label_smoothing=smoothing, mixup=0)
    np.testing.assert_allclose(gradient, expected_gradient(start, INPUTS, spread(smoothing)), atol=1e-5 * SCALE)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_first_step_follows_targets_that_are_mixed_as_the_inputs_are(smoothing: float):
    """To mix both by w is, in this gradient, to mix the inputs alone by w^2 + (1 - w)^2, which is never below a half.

    Were the inputs alone mixed by w, every other seed would show less than a half.
    """
    shares = []
    for seed in range(10):
        start, gradient = first_gradient(seed, label_smoothing=smoothing, mixup=1.0)
        unmixed, swapped = (
            expected_gradient(start, inputs, spread(smoothing)) for inputs in (INPUTS, INPUTS[::-1].copy())
        )
        share = ((gradient - swapped) * (unmixed - swapped)).sum() / ((unmixed - swapped) ** 2).sum()
        np.testing.assert_allclose(gradient, share * unmixed + (1 - share) * swapped, atol=1e-5 * SCALE)
        shares.append(share)
    assert min(shares) > 0.5 - 1e-4
    assert max(shares) < 1
    assert np.ptp(shares) > 0.1
