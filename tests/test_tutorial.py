"""The pages that are read from top to bottom: each block is a file, a command, or what the command prints."""

import re
import shlex
from pathlib import Path

import anthropic  # noqa: F401 - imported once, not anew by each run of pytest in this process
import pytest

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"^```(python|toml|sh|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"# (\S+\.(?:py|toml))\n")


def _words(text: str) -> str:
    return re.sub(r" +", " ", text)


@pytest.mark.parametrize("page", ["tutorial", "monorepos"])
def test_every_block_of_a_page_does_what_the_page_says(page: str, pytester: pytest.Pytester) -> None:
    """Files are written, commands are run in this order, and print the lines beneath them, with others around them."""
    printed = ""
    for language, text in _BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")):
        if language == "sh":
            program, *options = shlex.split(text)
            assert "pytest" == program
            run = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist", *options)
            printed = _words(run.stdout.str())
        elif language == "text":
            assert [] == [line for line in text.splitlines() if _words(line) not in printed], printed
        else:
            path = pytester.path / _PATH.match(text)[1]  # type: ignore[index] # each file names its path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
