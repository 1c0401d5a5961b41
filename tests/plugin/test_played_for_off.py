"""A cassette that a test had before it got `flag_matrix` is played by the fixture `cassette` for `off`."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anthropic  # noqa: F401 - this and the next stay loaded between the runs of pytest in this process
import pytest

import flag_harness.plugin.parts
import flag_harness.transports.network
import flag_harness.vcr  # noqa: F401
from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cli import main
from flag_harness.config import Config
from flag_harness.flag import Flag
from flag_harness.matrix import Combination
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.run.cassette_paths import default_cassette_path
from flag_harness.wire.timeline import Chunk, End, Head, Request

OTHERS = ("-p", "no:recording", "-p", "no:vcr", "-p", "no:cassetter", "-p", "no:xdist", "-p", "no:asyncio")
TEST = """
import httpx2
import pytest

@pytest.mark.flag_matrix("short")
def test_get(cassette):
    assert 200 == httpx2.get("https://api.anthropic.com/v1/models").status_code
"""


def test_it_is_played_and_not_pruned(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither does `once` add to it; after a whole run that has played it, prune has nothing to remove."""
    monkeypatch.chdir(pytester.path)
    pytester.makepyprojecttoml("[tool.flag-harness.flags]\nshort = 'SHORT'\n")
    pytester.makepyfile(test_it=TEST)
    answer = (Head(0.0, 200, (("content-type", "application/json"),)), Chunk(0.0, b"{}"), End(0.0))
    asked = Interaction(Request("GET", "/v1/models", (), b""), answer, case="test_it.py::test_get")
    folder = pytester.path / "recordings" / "test_it"
    Cassette(CassetteMetadata("live", "2026-01-01T00:00:00Z"), (asked,)).save(folder / "test_get.json")
    short = replace(asked, case="test_it.py::test_get[short]")
    Cassette(CassetteMetadata("live", "2026-01-01T00:00:00Z"), (short,)).save(folder / "test_get[short].json")
    before = [path.read_bytes() for path in sorted(folder.iterdir())]
    pytester.runpytest_inprocess(*OTHERS, "--record-mode=once").assert_outcomes(passed=2)
    assert before == [path.read_bytes() for path in sorted(folder.iterdir())]
    pytester.runpytest_inprocess(*OTHERS).assert_outcomes(passed=2)
    assert 0 == main(["cassette", "prune", "--dry-run"])


@pytest.mark.parametrize(
    ("mode", "combination", "name"),
    [
        ("none", "off", "test_ask.json"),
        ("once", "off", "test_ask.json"),
        ("rewrite", "off", "test_ask[off].json"),
        ("none", "short", "test_ask[short].json"),
    ],
)
def test_only_a_run_that_plays_off_uses_it(mode: str, combination: str, name: str, tmp_path: Path) -> None:
    """A rewrite records each combination under its own name, and no other combination plays it."""
    (tmp_path / "recordings" / "test_a").mkdir(parents=True)
    (tmp_path / "recordings" / "test_a" / "test_ask.json").touch()
    config: Any = SimpleNamespace(
        rootpath=tmp_path, stash={CONFIG_KEY: Config()}, getoption=lambda option, default=None: mode
    )
    node: Any = SimpleNamespace(
        config=config,
        path=tmp_path / "test_a.py",
        callspec=SimpleNamespace(
            params={"harness_combination": Combination((Flag("short", "SHORT"),), (int(combination == "short"),))},
            indices={},
        ),
        originalname="test_ask",
        name=f"test_ask[{combination}]",
        stash={},
        listchain=list,
        iter_markers=lambda name: (),
    )
    assert name == default_cassette_path(node).name
