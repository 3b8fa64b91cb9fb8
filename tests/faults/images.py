"""A pool of which 1 % are bad or unusual images, embedded with the real command.

.venv/bin/python -m tests.faults.images [--images 10000] [--seed 0]

Of every hundred images one is of a kind of `REJECTED` (corrupt, truncated, zero bytes, a decompression bomb, 30,000
pixels wide, a text called .png) or `DECODED` (CMYK, palette, 16 bits, transparent, a PNG called .jpg, and the largest
that is allowed), in turn. What must hold: `labelbench embed --max-reject-fraction 0.02` ends with status 0; exactly the
rows of `REJECTED` are in rejects.parquet, each with the reason that its kind must have; all others are in the store;
and no worker process ever holds more private memory (resident less shared, sampled) than the most of the same run
without bad images and what decoding one image may take. Exit status 1 if something does not hold.
"""

import io
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.machine import parser, show
from labelbench_ray.datasets import SPLITS
from labelbench_ray.datasets.images.opened import MOST_BYTES
from labelbench_ray.embeddings.store import EmbeddingStore
from tests.faults.sweeps import Ran, Sweep

EVERY = 100
"""One in so many images is bad or unusual."""
Rng = np.random.Generator


def main() -> int:
    """Embed with and without them, and show."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        make(folder / "clean", arguments.images, arguments.seed, {})
        kinds = make(folder / "mixed", arguments.images, arguments.seed, REJECTED | DECODED)
        clean, clean_peaks = embed(folder, "clean")
        mixed, peaks = embed(folder, "mixed")
        assert clean.status == 0, clean.printed
        found = look(folder / "below-mixed", kinds) if mixed.status == 0 else {"wrong": mixed.printed[-400:]}
    before, most = workers(clean_peaks), workers(peaks)
    bound = before + MOST_BYTES
    measured = {
        "images": arguments.images,
        "of_each_kind": dict(Counter(kinds.values())),
        "status": mixed.status,
        **found,
        "peak_private_memory_of_a_worker_mb": most / 1e6,
        "the_same_without_bad_images_mb": before / 1e6,
        "bound_mb": bound / 1e6,
        "processes_sampled": len(peaks),
        "seconds": mixed.seconds,
        "seconds_without_bad_images": clean.seconds,
    }
    held = mixed.status == 0 and not found["wrong"] and len(peaks) > 0 and most < bound
    show("faults/images", measured, {"wrong": [], "peak_private_memory_of_a_worker_mb": bound / 1e6}, met=held)
    return 0 if held else 1


def embed(folder: Path, name: str) -> tuple[Ran, dict[str, int]]:
    """Embed a folder of images; with the most private bytes of each process."""
    sweep = Sweep(folder, dataset=f'Part.of("image_folder", path="{name}")', options=("--max-reject-fraction=0.02",))
    running = sweep.begin(f"{folder}/below-{name}", "embed")
    peaks = running.peaks()
    return running.end(), peaks


def workers(peaks: dict[str, int]) -> int:
    """The most of any worker process."""
    return max(peak for title, peak in peaks.items() if title.startswith("ray::"))


def look(below: Path, kinds: dict[str, str]) -> dict[str, Any]:
    """What was rejected and why, and what of that is wrong."""
    store = EmbeddingStore.open(next((below / "store").glob("*/manifest.json")).parent)
    rejects = pq.read_table(store.directory / "rejects.parquet").to_pylist()
    reasons = {row["row_id"]: row["reason"] for row in rejects}
    wanted = {row_id for row_id, kind in kinds.items() if kind in REJECTED}
    embedded = [row_id for split in SPLITS for row_id in store.row_ids(split)]
    wrong = [f"{kinds.get(row_id)}: {row_id}" for row_id in reasons.keys() ^ wanted]
    wrong += [f"{kinds[row]}: {why}" for row, why in reasons.items() if WORDS.get(kinds.get(row, ""), "") not in why]
    wrong += [f"{row_id}: no reason" for row_id, why in reasons.items() if not why]
    wrong += [f"{row_id}: embedded and rejected" for row_id in reasons.keys() & set(embedded)]
    wrong += [f"{row_id}: not embedded" for row_id in kinds.keys() - wanted - set(embedded)]
    rows = len(rejects) + len(embedded)
    wrong += [f"{rows} rows"] if rows != len(kinds) or len(reasons) != len(rejects) else []
    return {
        "rejected": len(rejects),
        "rejected_by_kind": dict(Counter(kinds[row_id] for row_id in reasons)),
        "reasons": {kinds[row_id]: why for row_id, why in reasons.items()},
        "embedded": len(embedded),
        "wrong": wrong,
    }


def make(folder: Path, images: int, seed: int, special: "dict[str, Kind]") -> dict[str, str]:
    """Write the images of two classes; returns the kind of each by its row_id."""
    rng = np.random.default_rng(seed)
    names, kinds = list(special), {}
    for number in range(images):
        usual = "PNG" if number % 2 else "JPEG"
        kind = names[number // EVERY % len(names)] if names and number % EVERY == EVERY // 2 else usual
        data = special[kind](rng, usual) if kind in special else encoded(noise(rng), usual)
        suffix = SUFFIXES.get(kind, ".png" if usual == "PNG" else ".jpg")
        row_id = f"train/{('dark', 'light')[number % 2]}/{number:06d}{suffix}"
        (folder / row_id).parent.mkdir(parents=True, exist_ok=True)
        (folder / row_id).write_bytes(data)
        kinds[row_id] = kind
    return kinds


def noise(rng: Rng, *channels: int) -> Image.Image:
    """A small image."""
    return Image.fromarray(rng.integers(0, 256, (32, 32, *(channels or (3,))), dtype=np.uint8))


def encoded(image: Image.Image, form: str) -> bytes:
    """Its file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **({"compress_level": 1} if form == "PNG" else {}))
    return buffer.getvalue()


def corrupt(rng: Rng, usual: str) -> bytes:
    """Random bytes instead of the compressed ones."""
    data = bytearray(encoded(noise(rng), "PNG"))
    start = data.index(b"IDAT") + 4
    data[start:-20] = b"\xff" + rng.bytes(len(data) - 20 - start - 1)
    return bytes(data)


def truncated(rng: Rng, usual: str) -> bytes:
    """Half of the file."""
    data = encoded(noise(rng), usual)
    return data[: len(data) // 2]


@cache
def plain_png(width: int, height: int, bits: int, color: int) -> bytes:
    """A huge image in a small file: all zeros, made without ever holding it."""
    channels = {0: 1, 6: 4}[color]
    row, packer, packed = bytes(1 + width * bits * channels // 8), zlib.compressobj(1), []
    for _ in range(height):
        packed.append(packer.compress(row))
    packed.append(packer.flush())

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"".join(packed)) + chunk(b"IEND", b"")


def sixteen_bits(rng: Rng, usual: str) -> bytes:
    """Gray of 16 bits."""
    return encoded(Image.fromarray(rng.integers(0, 65536, (32, 32), dtype=np.uint16)), "PNG")


Kind = Callable[[Rng, str], bytes]
REJECTED: dict[str, Kind] = {
    "corrupt": corrupt,
    "truncated": truncated,
    "zero bytes": lambda rng, usual: b"",
    "bomb": lambda rng, usual: plain_png(40_000, 40_000, 1, 0),
    "30,000 pixels wide": lambda rng, usual: plain_png(30_000, 3_000, 8, 0),
    "text called .png": lambda rng, usual: b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n",
}
DECODED: dict[str, Kind] = {
    "CMYK": lambda rng, usual: encoded(noise(rng, 4).convert("RGB").convert("CMYK"), "JPEG"),
    "palette": lambda rng, usual: encoded(noise(rng).convert("P"), "PNG"),
    "16 bits": sixteen_bits,
    "transparent": lambda rng, usual: encoded(noise(rng, 4), "PNG"),
    "PNG called .jpg": lambda rng, usual: encoded(noise(rng), "PNG"),
    "largest allowed": lambda rng, usual: plain_png(30_000, 2_133, 8, 6),
}
SUFFIXES = dict.fromkeys((*REJECTED, *DECODED), ".png") | {"CMYK": ".jpg", "PNG called .jpg": ".jpg"}
WORDS = {
    "zero bytes": "zero bytes",
    "bomb": "decompression bomb",
    "30,000 pixels wide": "30000 x 3000 pixels",
    "text called .png": "no image",
}


if __name__ == "__main__":
    sys.exit(main())
