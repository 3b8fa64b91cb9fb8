"""The laws of encoders: a payload's embedding is its own. Without the weights on this machine they are not tried."""

import io
import wave
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.contracts.law import Law, NotApplicable, require
from labelbench_ray.contracts.settings import sent
from labelbench_ray.datasets import Modality, Payload, Records, Rows, Split
from labelbench_ray.encoders import Decoded, Encoder, Network

TEXTS: Final = ("where is my card", "I want to change my PIN", "PIN", "why was I charged twice " * 20)
WIDTH: Final = 8
"""Of made-up embeddings."""
TABLE_ROWS: Final = (
    '{"age": 31, "job": "clerk"}',
    '{"age": 47.5, "job": "nurse"}',
    '{"age": null, "job": null}',
    '{"age": 60, "job": "clerk"}',
)
TOLERANCE: Final = 1e-3
"""Of an embedding's largest entry: other batches have other bits."""


def states_its_weights(encoder: Encoder) -> None:
    """So that a plan can add up, and a store states what it was made from."""
    encoder = fitted(encoder)
    first, again = encoder.weights(), sent(encoder).weights()
    fix = "return the hash of the weights' bytes, or a constant for an encoder without weights"
    require(isinstance(first, str) and bool(first), f"`weights` returned {first!r}", fix)
    require(first == again, f"`weights` returned {first!r}, and then {again!r}", fix)
    fewest = (
        0 if encoder.payload == Modality.EMBEDDING else 1
    )  # the data set has the width of embeddings that are given
    require(isinstance(encoder.dimensions(), int) and encoder.dimensions() >= fewest, f"`dimensions` returned "
            f"{encoder.dimensions()!r}", "return the width of an embedding")  # fmt: skip
    require(bool(encoder.preprocessing()), "`preprocessing` returned nothing", "describe it in words, for the manifest")


def decodes(encoder: Encoder) -> None:
    """Into what the network takes, the same each time."""
    encoder = fitted(encoder)
    for payload in payloads(encoder):
        first, again = encoder.decode(payload), sent(encoder).decode(payload)
        what = f"{first.dtype} of shape {first.shape}" if isinstance(first, np.ndarray) else type(first).__name__
        modality = Modality.of(encoder.payload, "payload")
        rule = f"return {modality.traits.decoded_words}, for {modality.traits.plural}"
        require(modality.is_decoded(first), f"`decode` returned {what}", rule)
        require(np.array_equal(first, again), "`decode` gives different results for one payload", "draw nothing in it")


def rejects_garbage(encoder: Encoder) -> None:
    """A row that cannot be decoded becomes a reject instead of ending the run."""
    modality = Modality.of(encoder.payload, "payload")
    if not modality.traits.is_file:
        raise NotApplicable("every text can be decoded")
    whole = payloads(encoder)[0]
    for payload in (b"", b"neither an image nor a sound", whole[:40]):
        try:
            encoder.decode(payload)
        except (ValueError, OSError):
            continue
        what = f"`decode` takes {payload[:20]!r} for one of its {modality.traits.plural}"
        require(False, what, "raise ValueError or OSError")


def embeds(encoder: Encoder) -> None:
    """One finite row of floats for each payload."""
    encoder = fitted(encoder)
    rows = _embedded(encoder, encoder.load("cpu"), payloads(encoder))
    require(bool(np.isfinite(rows).all()), "an embedding holds NaN or infinity", "check what the network computes")


def embeds_each_on_its_own(encoder: Encoder) -> None:
    """An embedding depends on its payload, not on the batch."""
    encoder = fitted(encoder)
    network, given = encoder.load("cpu"), payloads(encoder)
    together = _embedded(encoder, network, given)
    others = {
        "alone": np.concatenate([_embedded(encoder, network, [payload]) for payload in given]),
        "in the opposite order": _embedded(encoder, network, given[::-1])[::-1],
        "by a network that was loaded anew": _embedded(encoder, sent(encoder).load("cpu"), given),
    }
    most = max(float(np.abs(together).max()), 1e-6)
    for words, rows in others.items():
        furthest = float(np.abs(rows - together).max()) / most
        require(
            furthest <= TOLERANCE,
            f"payloads embedded {words} differ from those embedded together by {furthest:.1%} of the largest entry",
            "set the network to evaluation mode, and let rows not depend on one another",
        )


@dataclass(frozen=True, slots=True)
class MadeUpRows:
    """Rows of these payloads (a `Table`)."""

    payloads: tuple[Payload, ...]

    def __len__(self) -> int:
        return len(self.payloads)

    def read(self, rows: Rows) -> Records:
        """Some of them, all of the first class."""
        chosen = [self.payloads[row] for row in rows]
        return Records([f"row {row}" for row in rows], chosen, np.zeros(len(chosen), np.int64))


def fitted(encoder: Encoder) -> Encoder:
    """The encoder with what it takes from a pool of made-up rows."""
    rows = MadeUpRows(tuple(payloads(encoder)))
    return encoder.fitted(Split(rows, range(len(rows))))


def payloads(encoder: Encoder) -> list[Payload]:
    """Some made-up ones of its kind."""
    if encoder.payload == Modality.TEXT:
        return list(TEXTS)
    if encoder.payload == Modality.TABLE:
        return list(TABLE_ROWS)
    if encoder.payload == Modality.AUDIO:
        return [_wav(rate, seconds) for rate, seconds in ((16_000, 1.0), (44_100, 0.3), (8_000, 2.5))]
    if encoder.payload == Modality.EMBEDDING:
        return [row_D.tobytes() for row_D in np.random.default_rng(0).normal(size=(4, WIDTH)).astype("<f2")]
    return [_png(height, width) for height, width in ((32, 32), (8, 40), (64, 48))]


def _wav(rate: int, seconds: float) -> bytes:
    """Noise and a tone, as 16-bit samples of one channel."""
    times_T = np.arange(round(rate * seconds)) / rate
    noise_T = np.random.default_rng(rate).uniform(-0.2, 0.2, len(times_T))
    samples_T = (32767 * (0.5 * np.sin(2 * np.pi * 440 * times_T) + noise_T)).astype("<i2")
    with wave.open(buffer := io.BytesIO(), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples_T.tobytes())
    return buffer.getvalue()


def _embedded(encoder: Encoder, network: Network, given: list[Payload]) -> NDArray[np.float32]:
    decoded: list[Decoded] = [encoder.decode(payload) for payload in given]
    rows = network.embed(decoded)
    what = f"{rows.dtype} of shape {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
    width = encoder.dimensions() or WIDTH
    rule = f"return ({len(given)}, {width}) float32, a row for each payload, as `dimensions` states"
    right = isinstance(rows, np.ndarray) and rows.shape == (len(given), width)
    require(right and rows.dtype == np.float32, f"`embed` returned {what} for {len(given)} payloads", rule)
    return rows


def _png(height: int, width: int) -> bytes:
    pixels_HWC = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWC).save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


LAWS: Final[tuple[Law[Encoder], ...]] = (
    Law("states its weights, its width and its preprocessing", states_its_weights),
    Law("decodes a payload into what its network takes, the same in every process", decodes),
    Law("refuses bytes that are not a payload of its kind", rejects_garbage),
    Law("embeds every payload as one finite row of `dimensions` float32", embeds),
    Law("embeds a payload alone as it does in a batch", embeds_each_on_its_own),
)
