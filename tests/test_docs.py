"""The programs in the docs run as they are pasted, and no link leads nowhere."""

import re
from pathlib import Path

import pytest

DOCS = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
PROGRAMS = [
    pytest.param(program, id=f"{page.name}-{index}")
    for page in DOCS
    if page.name in ("flags.md", "blame.md")
    for index, program in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M))
    if program.startswith("from flag_harness")
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_what_its_comment_says(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`print(...)  # 8 rows ...` prints what begins the comment."""
    exec(compile(program, "docs", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    expected = re.findall(r"^print\(.*\)  # (.*)$", program, re.MULTILINE)
    assert len(expected) == len(printed)
    assert all(comment.startswith(line) for comment, line in zip(expected, printed, strict=True)), (expected, printed)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_page_links_to_files_that_exist(page: Path) -> None:
    """Relative links only."""
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")) if not link.startswith("http")]
    assert [] == [link for link in links if not (page.parent / link).exists()]
