"""Texts that are longer than the encoder reads: counted while embedding, stated in the store's manifest.

    <store>/<key>/cut/pool-00000.json    how many of a shard's texts were cut; absent if none was

A shard's count is written before the shard, so that a resumed embedding keeps it.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import PositiveInt

from labelbench_ray.encoders import Decoded, Network, TextNetwork
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish

FOLDER = "cut"


class CutTexts(Frozen):
    """How many texts are longer than their encoder reads."""

    texts: PositiveInt
    most_tokens: PositiveInt
    """Tokens that the encoder reads, its special tokens included."""


def note_cut(directory: Path, shard: str, network: Network, decoded: Sequence[Decoded]) -> None:
    """Write how many texts of a shard are cut; nothing for image networks, or if none is cut.

    Args:
        directory: the store's.
        shard: the shard's name, such as `pool-00000`.
        network: embeds the shard.
        decoded: the shard's rows.
    """
    if isinstance(network, TextNetwork) and network.most_tokens and (texts := network.num_cut(decoded)):
        (directory / FOLDER).mkdir(exist_ok=True)
        cut = CutTexts(texts=texts, most_tokens=network.most_tokens)
        publish(directory / FOLDER / f"{shard}.json", cut.model_dump_json().encode())


def read_cut(directory: Path) -> CutTexts | None:
    """The counts of all shards together; None if no text was cut."""
    noted = [CutTexts.model_validate_json(path.read_bytes()) for path in sorted((directory / FOLDER).glob("*.json"))]
    return CutTexts(texts=sum(cut.texts for cut in noted), most_tokens=noted[0].most_tokens) if noted else None


def describe_cut(cut: CutTexts | None, rows: int) -> str | None:
    """A warning in one sentence; None if no text was cut."""
    if cut is None:
        return None
    share = f"{cut.texts:,} of {rows:,} texts ({cut.texts / rows:.0%})"
    return (
        f"{share} are longer than the {cut.most_tokens} tokens that the encoder reads, and only their beginning is "
        "embedded; split or shorten them, put what distinguishes the classes first, or use an encoder that reads more"
    )
