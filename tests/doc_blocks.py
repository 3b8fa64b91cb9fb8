"""The code blocks of README, CONTRIBUTING and docs, what executes each, and why some are not executed.

A block is a fence with Python, or one without a language that holds command lines. The blocks of a page are executed in
their order and in one folder, unless the page is in `ELSEWHERE` or `NOT_RUN`, or a comment stands before the block:

    <!-- file: NAME -->     the block is the content of that file
    <!-- run -->            executed, although the page's commands are not
    <!-- not run: WHY -->   not executed
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
ELSEWHERE: Final = {
    "CONTRIBUTING.md": "tests/test_contributing.py",
    "docs/annotation.md": "tests/oracles/test_own_oracle.py",
    "docs/plugins.md": "tests/test_own_plugins.py",
    "docs/results.md": "tests/test_docs_results.py",
    "docs/strategies.md": "tests/test_docs.py",
    "docs/tasks.md": "tests/tasks/test_multi_label_study.py",
    "docs/training.md": "tests/test_docs.py",
}
"""Pages whose Python blocks a test of their own executes."""
NOT_RUN: Final = {
    "README.md": "the two commands of the set-up are what `.ci/run` calls",
    "CONTRIBUTING.md": "they run this suite",
    "docs/clusters.md": "they need a Ray cluster, a cloud account or Kubernetes; `tests/faults` starts clusters",
    "docs/install.md": "they download gigabytes; a workflow installs the wheel with everything",
    "docs/label_studio.md": "they need a Label Studio that runs; `tests/servers/label_studio.py` starts one",
    "docs/label_my_pool.md": "people fill in a file between them; tests/campaign/test_commands.py runs them",
    "docs/observability.md": "they need a Ray cluster that runs, and jq",
    "docs/reliability.md": "they run the fault suite: minutes to hours",
    "docs/results.md": "they need the runs of the quickstart; the tutorial executes them on runs of its own",
    "docs/scheduling.md": "they need a sweep that runs",
    "docs/tracking.md": "they need PostgreSQL, an object store and an MLflow server; `tests/servers` starts those",
}
"""Pages whose commands are parsed only (the command and its options exist), and why."""
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
PROGRAMS: Final = ("labelbench", "python", "pip", "make", "ray", "docker", "kubectl", "export", "createdb", "jq")
INLINE = re.compile(r"(?<!`)`(labelbench [^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page."""

    page: str
    language: str
    text: str
    mark: str
    """What the comment before it states; "" without one."""

    @property
    def file(self) -> str:
        """The file whose content the block is; "" if it is none."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else ""

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command line, continued lines joined; none where the block is Python or printed text."""
        lines = self.text.replace("\\\n", " ").splitlines()
        words = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if _is_command(line)]
        return [] if self.language == "python" else words

    @property
    def reason(self) -> str:
        """Why the block is not executed here; "" if it is."""
        if self.mark == "run" or self.file:
            return ""
        if self.mark.startswith("not run: "):
            return self.mark.removeprefix("not run: ")
        if self.language == "python":
            return f"`{ELSEWHERE[self.page]}` executes it" if self.page in ELSEWHERE else ""
        return NOT_RUN.get(self.page, "")


def _is_command(line: str) -> bool:
    return line.removeprefix("$ ").split(" ")[0] in PROGRAMS


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page that hold Python or commands."""
    for found in FENCE.finditer((ROOT / page).read_text()):
        block = Block(page, found["language"], found["text"], found["mark"] or "")
        if block.language == "python" or block.commands:
            yield block


def inline_commands(page: str) -> list[list[str]]:
    """The words of each command of ours in a page's text that has options or arguments.

    A command that is shown with an option alone gets a file as its argument.
    """
    found = [shlex.split(text, comments=True) for text in INLINE.findall((ROOT / page).read_text())]
    return [[*words, *(["file.py"] if words[-1].startswith("--") else [])] for words in found if len(words) > 2]
