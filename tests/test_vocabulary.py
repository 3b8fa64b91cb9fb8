"""The project's text keeps to the vocabulary of `docs/glossary.md`: words that were replaced do not come back."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = (".github", "labelbench_ray", "tests", "benchmarks", "experiments", "examples", "docs", "deploy")
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".html", ".sh"}
# A word of a name may stand beside an underscore or begin with a capital letter: `_told`, `HeardRows`.
REPLACED = re.compile(
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    r"(?i:told|tells?|telling|mend(?:s|ed|ing|able)?|heard|hears?|hearing|whoever|but\s+for)(?![a-z])",
)
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("labelbench_ray/trainers/engine/kept.py", "heard"): "the key of pseudo-labels in checkpoints on disk",
}
"""The files that may hold such a word, the word, and why."""


def test_replaced_words_do_not_come_back() -> None:
    found = [f"{path}:{line}: {word}" for path, line, word in replaced_words() if (path, word) not in EXCEPTIONS]
    assert not found, "\n".join(found)


def test_every_exception_is_needed() -> None:
    assert EXCEPTIONS.keys() <= {(path, word) for path, _, word in replaced_words()}


def test_the_pattern_finds_whole_words_and_words_of_names() -> None:
    for text in (
        "It told us.",
        "def _tell(x)",
        "HeardRows",
        "rowsHeard",
        "rowsHeard",
        "was\nmended",
        "all but for one",
        "whoever",
    ):
        assert REPLACED.search(text), text
    for text in ("recommended", "amend", "shear", "untold", "intelligent", "tellurium", "butter for"):
        assert not REPLACED.search(text), text


def replaced_words() -> Iterator[tuple[str, int, str]]:
    """Yield each one's file, relative to the project, its line's number, and itself in small letters."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")] + list(ROOT.iterdir())
    for path in sorted(files):
        if path.suffix not in SUFFIXES or path == Path(__file__):  # every replaced word is written in this file
            continue
        text = path.read_text(errors="replace")
        for match in REPLACED.finditer(text):
            yield str(path.relative_to(ROOT)), text.count("\n", 0, match.start()) + 1, match[0].lower()
