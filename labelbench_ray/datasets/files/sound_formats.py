"""The formats of sounds that encoders decode, and the suffixes that files of these formats have."""

FORMATS = {"WAV": (".wav",), "WAVEX": (".wav",), "RF64": (".wav",), "FLAC": (".flac",)}
"""Formats that are decoded, by libsndfile's names."""


def suffixes() -> frozenset[str]:
    """The suffixes, in lower case with their dots, of all files that can be decoded."""
    return frozenset(suffix for each in FORMATS.values() for suffix in each)
