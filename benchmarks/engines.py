"""Torch eager at one thread against our CPU path, the same decoded images, one core each.

.venv/bin/python benchmarks/engines.py --data-root DIR [--images 256] [--repeats 3]

Measured: images per CPU second of EfficientNet-Lite0 at 96 px through the encoder's own network (ONNX Runtime, one
thread, its own batch size) and through the same weights in torch eager, float32, one thread, at several batch sizes.
Torch is at its best with small batches, whose activations stay in the cache; 64 is what users commonly take. All run
in turn, `repeats` times; the medians are compared. The limit is the core's rate in a large float32 matrix product
(the faster of torch's and numpy's), against the multiply-adds that the network needs; those libraries leave something
on the table, so that a little more than 1 is possible.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from command import not_provided
from machine import parser, show, show_skipped
from study import STUDY
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode

from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0, _weights_file
from labelbench_ray.encoders.networks.efficientnet import pretrained
from labelbench_ray.planning.experiment import load
from labelbench_ray.trial.parts import build

TARGET_RATIO = 2.5
COMMON_BATCH = 64
BATCHES = (8, 16, 64, 128)
PRODUCT_ROWS = 2048


def main() -> None:
    """Decode the images, time every engine in turn and show."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=256)
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    if why := not_provided(STUDY, arguments.data_root):
        show_skipped("engines", why)
        return
    parts = build(load(STUDY).trials[0])
    assert isinstance(parts.encoder, EfficientnetLite0)
    records = parts.dataset.open(arguments.data_root.resolve()).splits["pool"].read(0, arguments.images)
    images_BHWC = np.stack([parts.encoder.decode(payload) for payload in records.payloads])
    torch.set_num_threads(1)
    ours = parts.encoder.load("cpu")
    module = pretrained(_weights_file(), parts.encoder.size)
    engines: dict[str, Callable[[], object]] = {"ours": lambda: ours.embed(list(images_BHWC))}
    engines |= {f"torch_batch_{batch}": torch_pass(module, images_BHWC, batch) for batch in BATCHES}
    rates = {name: [] for name in engines}
    for _ in range(arguments.repeats):
        for name, engine in engines.items():
            rates[name].append(len(images_BHWC) / seconds_of(engine))
    median = {name: statistics.median(values) for name, values in rates.items()}
    best = max(BATCHES, key=lambda batch: median[f"torch_batch_{batch}"])
    ratio = median["ours"] / median[f"torch_batch_{COMMON_BATCH}"]
    operations = 2e-9 * multiplications(module, images_BHWC[:1])
    measured = {
        "images_per_cpu_second": median,
        f"ratio_to_torch_batch_{COMMON_BATCH}": ratio,
        "ratio_to_torch_at_its_best": median["ours"] / median[f"torch_batch_{best}"],
        "torch_best_batch": best,
        "gflop_per_second": median["ours"] * operations,
        "gflop_per_second_matrix_product": matrix_product_rate(),
    }
    measured["fraction_of_limit"] = measured["gflop_per_second"] / measured["gflop_per_second_matrix_product"]
    target = {f"ratio_to_torch_batch_{COMMON_BATCH}_at_least": TARGET_RATIO}
    show("engines", measured, target, met=ratio >= TARGET_RATIO)


def torch_pass(module: torch.nn.Module, images_BHWC: np.ndarray, batch: int) -> Callable[[], None]:
    """All images through torch eager, `batch` at a time."""

    def once() -> None:
        with torch.inference_mode():
            for part in torch.from_numpy(images_BHWC).split(batch):
                module(part)

    return once


def seconds_of(work: Callable[[], object]) -> float:
    """CPU seconds of this process, which has one thread: other programs on the machine do not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def multiplications(module: torch.nn.Module, image_1HWC: np.ndarray) -> float:
    """Multiply-adds of one image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.from_numpy(image_1HWC))
    return counter.get_total_flops() / 2


def matrix_product_rate() -> float:
    """The best rate of one core in a float32 matrix product, in GFLOP/s."""
    square = np.ones((PRODUCT_ROWS, PRODUCT_ROWS), np.float32)
    tensor = torch.from_numpy(square)
    with threadpool_limits(1):
        products = (lambda: square @ square, lambda: tensor @ tensor)
        best = min(seconds_of(product) for product in products for _ in range(5))
    return 2e-9 * PRODUCT_ROWS**3 / best


if __name__ == "__main__":
    main()
