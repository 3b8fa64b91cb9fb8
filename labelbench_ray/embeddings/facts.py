"""Facts of pool rows: those that the data set brings, and those that the encoder computes."""

from collections.abc import Sequence

from labelbench_ray.datasets import Source
from labelbench_ray.encoders import Decoded, Encoder, FactNetwork, Network, WithFacts
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.pool.facts import Facts, checked_facts, fact_hash, fact_name_trouble


def given_facts(source: Source) -> dict[str, str]:
    """The facts that a data set brings with its pool: the hash of each."""
    return {name: fact_hash(values_N) for name, values_N in source.splits["pool"].facts.items()}


def stored_facts(source: Source, encoder: Encoder) -> dict[str, str | None]:
    """All facts of a pool by name: the hash of one that the data set brings, None for one that the encoder computes.

    Raises:
        ConfigError: both have a fact of the same name, or the encoder one whose name is not allowed.
    """
    given, computed = given_facts(source), encoder.fact_names()
    for name in computed:
        if name in given:
            raise ConfigError(
                f"the fact {name!r}: the data set brings it, and the encoder {encoder!r} computes it; rename it in the "
                "data set"
            )
        if trouble := fact_name_trouble(name):
            raise ConfigError(f"encoder {encoder!r}: {trouble}")
    return dict(sorted({**given, **dict.fromkeys(computed)}.items()))


def with_facts(network: Network, encoder: Encoder, decoded: Sequence[Decoded], row_ids: Sequence[str]) -> WithFacts:
    """The embeddings of rows with the facts that the encoder states, computed in one pass and checked.

    Raises:
        DataError: the network, which may be a user's own, does not return a finite number of each row for each of them.
    """
    names, what = encoder.fact_names(), f"{type(network).__name__}.embed_with_facts of {encoder!r}"
    if not isinstance(network, FactNetwork):
        raise DataError(f"{what} does not exist, and the encoder states the facts {', '.join(names)}; define it")
    found = network.embed_with_facts(decoded)
    if not isinstance(found, WithFacts):
        raise DataError(f"{what} returned {type(found).__name__}; it must return WithFacts(embeddings_BD, facts)")
    if found.facts.keys() != set(names):
        raise DataError(
            f"{what} returned the facts {', '.join(found.facts) or 'none'}; the encoder states {', '.join(names)}"
        )
    try:
        return WithFacts(found.embeddings_BD, checked_facts(found.facts, len(decoded), row_ids))
    except ValueError as error:
        raise DataError(f"{what}: {error}") from error


def no_rows(names: Sequence[str]) -> Facts:
    """The facts of a shard without rows."""
    return checked_facts({name: [] for name in names}, 0)
