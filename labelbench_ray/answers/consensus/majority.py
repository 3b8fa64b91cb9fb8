"""The most frequent answer; a tie is disputed."""

from labelbench_ray.answers.consensus.votes import Consensus, Floats, Votes, likeliest


def majority(votes: Votes, probabilities_NK: Floats | None = None, /) -> Consensus:
    """The label with the most votes; its confidence is its share of the row's votes, so that one answer has 1."""
    return likeliest(votes, votes.shares())
