"""The picture of docs/strategies.md: what each strategy picks on a small pool in the plane.

.venv/bin/python benchmarks/toy.py [--out docs/strategies.png] [--strategies NAME ...]

One pool for all: 900 rows in clusters of five classes, whose sizes fall from 50 % to 3 %; 20 random labels; a logistic
probe fitted to them, whose decision regions are the background; 30 picks. Rows carry a constant third coordinate, so
that strategies that compare directions see the plane too. The same strategies draw the same picture.
"""

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from PIL import Image

from labelbench_ray import strategies
from labelbench_ray.config import Part
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers.engine.data import embedded_data
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.types import Examples, Floats, Ids, PoolView

ROWS, LABELED, BUDGET, COLUMNS = 900, 20, 30, 4
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
IN_ORDER = (
    *("random", "confidence", "entropy"),
    *("margin", "bald", "power_margin", "power"),
    *("coreset", "kmeans", "typiclust", "facility_location"),
    *("max_herding", "probcover", "uncertainty_herding", "dropquery"),
    *("badge", "bait", "cluster_margin", "alfa_mix"),
    *("galaxy", "direct", "most_likely_positive", "class_balanced"),
    *("partition", "subsample", "nearest_to_labeled"),
)
"""A line of the picture each, after the pool itself; others follow."""
SETTINGS = {
    "power": {"strategy": {"name": "entropy"}},
    "partition": {"parts": 5},
    "subsample": {"rows": 150},
    "nearest_to_labeled": {"neighbors": 10},
}
"""Where the default is for larger pools, or another strategy in the picture."""
COLORS = ("#4477aa", "#66a8a0", "#ccaa33", "#cc6677", "#884499")
WIDTH, TALL = 2.7, 2.4
"""Inches of a panel."""
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
    data = embedded_data(rows_ND[labeled_L], truth_N[labeled_L], examples, len(SHARES), as_they_are, labeled_L)
    return Toy(rows_ND, truth_N, labeled_L, Logistic(l2=1e-2).fit(Linear(), data, seed=0))


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "strategies.png")
    parser.add_argument(
        "--strategies",
        nargs="+",
        metavar="NAME",
        default=[name for name in strategies.names() if not strategies.create(name).facts],
    )
    arguments = parser.parse_args()
    places = {name: place for place, name in enumerate(IN_ORDER)}
    names = sorted(arguments.strategies, key=lambda name: (places.get(name, len(places)), name))
    draw(toy(), [Part.of(name, **SETTINGS.get(name, {})) for name in names], arguments.out)


def draw(pool: Toy, parts: list[Part], out: Path) -> None:
    """A panel of the truth, and one a strategy."""
    lines = -(-(1 + len(parts)) // COLUMNS)
    figure, grid = plt.subplots(lines, COLUMNS, figsize=(WIDTH * COLUMNS, TALL * lines), squeeze=False)
    panels = list(grid.flat)
    for panel in panels[1 + len(parts) :]:
        panel.set_visible(False)
    draw_pool(panels[0], pool)
    for panel, part in zip(panels[1:], parts, strict=False):
        draw_picks(panel, pool, part)
    figure.subplots_adjust(
        left=0.005, right=0.995, top=1 - 0.26 / (TALL * lines), bottom=0.005, wspace=0.04, hspace=0.14
    )
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(out, optimize=True)


def draw_pool(panel: Axes, pool: Toy) -> None:
    """Every row in the color of its class, and what is labeled."""
    frame(panel, "the pool: true classes, 20 labels")
    for label, color in enumerate(COLORS):
        rows = pool.rows_ND[pool.truth_N == label]
        panel.scatter(rows[:, 0], rows[:, 1], s=4, color=color, linewidths=0)
    draw_labeled(panel, pool)


def draw_picks(panel: Axes, pool: Toy, part: Part) -> None:
    """The pool in gray over the probe's regions, and what the strategy picks."""
    chosen = strategies.create(part.name, **part.settings).select(
        pool.view(), BUDGET, np.random.default_rng(0), ask=lambda ids: pool.truth_N[ids]
    )
    frame(panel, str(part))
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
    panel.set_title(title, fontsize=8.5, color=INK, pad=4)


if __name__ == "__main__":
    main()
