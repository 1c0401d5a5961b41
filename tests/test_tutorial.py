"""The pages that are read from top to bottom: each block is a file, a command, or what the command prints."""

import re
import shlex
from pathlib import Path

import anthropic  # noqa: F401 - imported once, not anew by each run of pytest in this process
import pytest

from flag_harness.cli import main

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"^```(python|toml|yaml|sh|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"# (\S+\.(?:py|toml|yaml))\n")


def _words(text: str) -> str:
    return re.sub(r" +", " ", text)


@pytest.mark.parametrize("page", ["tutorial", "monorepos", "moving-in-flags"])
def test_every_block_of_a_page_does_what_the_page_says(
    page: str, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files are written, commands are run in this order, and print the lines beneath them, with others around them."""
    printed = ""
    for language, text in _BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")):
        if language == "sh":
            program, *options = shlex.split(text)
            if program == "flag-harness":
                assert 0 == main(options)
                printed = _words(capsys.readouterr().out)
                continue
            assert "pytest" == program
            run = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist", *options)
            printed = _words(run.stdout.str())
        elif language == "text":
            assert [] == [line for line in text.splitlines() if _words(line) not in printed], printed
        else:
            named = _PATH.match(text)
            if named is None and language == "yaml":
                continue  # a file of another program
            path = pytester.path / named[1]  # type: ignore[index] # each file names its path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
