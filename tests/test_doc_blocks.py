"""Every code block of the pages is executed, here or by a test that is named, or has a reason why it is not."""

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from labelbench_ray.commands import cli
from tests.commands import check_options
from tests.doc_blocks import ELSEWHERE, NOT_RUN, PAGES, ROOT, Block, blocks, inline_commands

ALL = {page: list(blocks(page)) for page in PAGES}
EXECUTED = {page: [block for block in found if not block.reason] for page, found in ALL.items()}
PLACEHOLDERS = {"KIND": "strategies", "...": "--tiny", "N": "20"}
"""Words that stand for others in a page's text."""
CHOICES = "|"


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Execute a block in a folder that has the repository's experiments, without Ray."""
    for folder in ("experiments", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("LABELBENCH_EXECUTOR", "local")
    before = set(sys.modules)
    namespace: dict[str, object] = {"__name__": "page"}

    def run(block: Block) -> None:
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "python":
            exec(compile(block.text, block.page, "exec"), namespace)
        for words in block.commands:
            command(words)

    def command(words: list[str]) -> None:
        if words[0] == "python":
            subprocess.run([sys.executable, *words[1:]], check=True)
            return
        assert words[0] == "labelbench", f"no test can execute {words}: mark the block"
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert ended.value.code in (None, 0), f"{words}: {printed.out}{printed.err}"

    yield run
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.mark.parametrize("page", [page for page, found in EXECUTED.items() if found])
def test_the_blocks_of_a_page_are_executed_in_order(page: str, execute) -> None:
    for block in EXECUTED[page]:
        execute(block)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_ours_exists_with_its_options(page: str) -> None:
    commands = [words for block in ALL[page] for words in block.commands] + inline_commands(page)
    for words in commands:
        ours = words[words.index("--") + 1 :] if "--" in words else words
        if ours[:1] == ["labelbench"] and CHOICES not in ours:
            check_options(cli.app, [PLACEHOLDERS.get(word, word) for word in ours])


@pytest.mark.parametrize("page", ELSEWHERE)
def test_the_test_that_executes_a_page_reads_it(page: str) -> None:
    assert any(block.language == "python" for block in ALL[page]), "needs no exception any more"
    assert Path(page).name in (ROOT / ELSEWHERE[page]).read_text()


@pytest.mark.parametrize("page", NOT_RUN)
def test_every_page_that_is_excepted_has_commands(page: str) -> None:
    assert any(block.commands for block in ALL[page]), "needs no exception any more"


def test_a_command_that_does_not_exist_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        check_options(cli.app, ["labelbench", "run", "compare.py", "--no-such-option", "1"])
    assert Block("docs/new.md", "", "labelbench run a.py \\\n  --tiny\n", "").commands == [
        ["labelbench", "run", "a.py", "--tiny"]
    ]
