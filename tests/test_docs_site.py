"""The documentation site: what the code has, the pages have."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flag_harness.config import table

DOCS = Path(__file__).parents[1] / "docs"
SETTINGS = (DOCS / "settings.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reference(warm_run: Callable[..., Any]) -> Iterator[dict[str, str]]:
    """The reference pages, made from the code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS / "site")
        patch.setattr(subprocess, "run", warm_run)
        from reference import REFERENCE

        yield {name: make_page() for name, make_page in REFERENCE.items()}


@pytest.mark.parametrize(
    "struct",
    [one for one in vars(table).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)],
    ids=lambda struct: struct.__name__,
)
def test_the_page_of_settings_names_every_key(struct: type[msgspec.Struct]) -> None:
    """Each key of each table that the configuration may have."""
    assert [] == [name for name in struct.__struct_fields__ if not re.search(rf"\b{name}\b", SETTINGS)]


@pytest.mark.parametrize(
    ("page", "entries"),
    [
        ("options", ["--record-mode", "--harness-upstream", "--harness-fault", "--harness-locate"]),
        ("marks", ["@pytest.mark.flag_matrix", "@pytest.mark.harness_network"]),
        ("fixtures", ["`cassette` | function", "`harness_filters` | session"]),
        ("commands", ["## `flag-harness demo`", "## `flag-harness cassette show`", "Exit code"]),
        ("faults", ["`overloaded`", "`stream_error`", "`retry_after`"]),
        ("python", ["::: flag_harness.Cassette\n", "::: flag_harness.simulate\n"]),
    ],
)
def test_reference_pages_are_made_from_the_code(reference: dict[str, str], page: str, entries: list[str]) -> None:
    """Each has an entry for what is registered, in a table that Markdown can read."""
    text = reference[f"reference-{page}"]
    assert text.startswith("# ")
    assert [] == [entry for entry in entries if entry not in text]
    assert [] == [row for row in text.splitlines() if row.startswith("|") and not row.endswith("|")]
