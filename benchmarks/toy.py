"""The picture of docs/strategies.md: what each strategy picks on a small pool in the plane.

.venv/bin/python benchmarks/toy.py [--out docs/strategies.png] [--strategies NAME ...]

One pool for all: 900 rows in clusters of five classes, whose sizes fall from 50 % to 3 %; 20 random labels; a logistic
probe fitted to them, whose decision regions are the background; 30 picks. Rows carry a constant third coordinate, so
that strategies that compare directions see the plane too. The same strategies draw the same picture.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from labelbench_ray import strategies
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.standardization import Standardization
from labelbench_ray.trainers import TrainingData
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.types import Examples, Floats, Ids, PoolView

ROWS, LABELED, BUDGET, COLUMNS = 900, 20, 30, 5
HEIGHT = 2.0
"""The constant third coordinate: about as far as the rows lie from the origin."""
SHARES = (0.50, 0.26, 0.14, 0.07, 0.03)
CLUSTERS = (
    ((-1.7, 0.2, 0.50), (-0.6, -1.5, 0.38)),
    ((0.9, 1.1, 0.45), (-0.5, 1.7, 0.25)),
    ((1.2, -0.9, 0.38),),
    ((2.3, 0.6, 0.22),),
    ((0.1, 0.1, 0.13),),
)
"""For each class its clusters: center and standard deviation."""
COLORS = ("#4477aa", "#66a8a0", "#ccaa33", "#cc6677", "#884499")
INK = "#1a1a1a"


@dataclass(frozen=True, slots=True, eq=False)
class Toy:
    """The pool, its probe, and the truth."""

    rows_ND: Floats
    truth_N: Ids
    labeled_L: Ids
    model: Classifier

    def view(self) -> PoolView:
        """As a strategy sees it."""
        ((weight_DK, bias_K),) = self.model.layers
        return PoolView.from_linear(self.rows_ND, weight_DK, bias_K, self.labeled_L, self.truth_N[self.labeled_L])


def toy() -> Toy:
    """Always the same."""
    rng = np.random.default_rng(3)
    truth_N = rng.choice(len(SHARES), ROWS, p=SHARES)
    rows_ND = np.full((ROWS, 3), HEIGHT, np.float32)
    for row, label in enumerate(truth_N):
        x, y, deviation = CLUSTERS[label][rng.integers(len(CLUSTERS[label]))]
        rows_ND[row, :2] = rng.normal((x, y), deviation)
    labeled_L = rng.choice(ROWS, LABELED, replace=False)
    examples = Examples(rows_ND[labeled_L], truth_N[labeled_L])
    as_they_are = Standardization(np.zeros(3, np.float32), np.ones(3, np.float32))
    data = TrainingData(examples, examples, len(SHARES), as_they_are)
    return Toy(rows_ND, truth_N, labeled_L, Logistic(l2=1e-2).fit(Linear(), data, seed=0))


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "strategies.png")
    parser.add_argument("--strategies", nargs="+", metavar="NAME", default=strategies.names())
    arguments = parser.parse_args()
    draw(toy(), arguments.strategies, arguments.out)


def draw(pool: Toy, names: list[str], out: Path) -> None:
    """A panel of the truth, and one a strategy."""
    lines = -(-(1 + len(names)) // COLUMNS)
    figure, grid = plt.subplots(lines, COLUMNS, figsize=(2.3 * COLUMNS, 2.05 * lines), squeeze=False)
    panels = list(grid.flat)
    for panel in panels[1 + len(names) :]:
        panel.set_visible(False)
    draw_pool(panels[0], pool)
    for panel, name in zip(panels[1:], names, strict=False):
        draw_picks(panel, pool, name)
    figure.subplots_adjust(
        left=0.005, right=0.995, top=1 - 0.26 / (2.05 * lines), bottom=0.005, wspace=0.04, hspace=0.14
    )
    figure.savefig(out, dpi=110, metadata={"Software": None})
    plt.close(figure)


def draw_pool(panel: Axes, pool: Toy) -> None:
    """Every row in the color of its class, and what is labeled."""
    frame(panel, "the pool: true classes, 20 labels")
    for label, color in enumerate(COLORS):
        rows = pool.rows_ND[pool.truth_N == label]
        panel.scatter(rows[:, 0], rows[:, 1], s=4, color=color, linewidths=0)
    draw_labeled(panel, pool)


def draw_picks(panel: Axes, pool: Toy, name: str) -> None:
    """The pool in gray over the probe's regions, and what the strategy picks."""
    chosen = strategies.create(name).select(
        pool.view(), BUDGET, np.random.default_rng(0), ask=lambda ids: pool.truth_N[ids]
    )
    frame(panel, name)
    draw_regions(panel, pool.model)
    panel.scatter(pool.rows_ND[:, 0], pool.rows_ND[:, 1], s=2.5, color="#9a9a9a", linewidths=0)
    draw_labeled(panel, pool)
    panel.scatter(*pool.rows_ND[chosen, :2].T, s=20, color=INK, edgecolors="white", linewidths=0.6, zorder=4)


def draw_labeled(panel: Axes, pool: Toy) -> None:
    """White diamonds."""
    places = pool.rows_ND[pool.labeled_L, :2].T
    panel.scatter(*places, s=20, marker="D", color="white", edgecolors=INK, linewidths=0.8, zorder=3)


def draw_regions(panel: Axes, model: Classifier) -> None:
    """Which class the probe predicts where, faintly."""
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    xs, ys = np.meshgrid(np.linspace(left, right, 240), np.linspace(bottom, top, 240))
    mesh = np.stack([xs.ravel(), ys.ravel(), np.full(xs.size, HEIGHT)], axis=1).astype(np.float32)
    predicted = model.probabilities(mesh).argmax(axis=1).reshape(xs.shape)
    panel.imshow(
        predicted,
        extent=(left, right, bottom, top),
        origin="lower",
        cmap=ListedColormap(COLORS),
        vmin=-0.5,
        vmax=len(COLORS) - 0.5,
        alpha=0.22,
        interpolation="nearest",
        aspect="auto",
    )


def frame(panel: Axes, title: str) -> None:
    """The plane, without ticks."""
    panel.set_xlim(-3.2, 3.1)
    panel.set_ylim(-2.75, 2.55)
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_color("#cccccc")
    panel.set_title(title, fontsize=9, color=INK, pad=4)


if __name__ == "__main__":
    main()
