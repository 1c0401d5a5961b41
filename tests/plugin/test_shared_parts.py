"""A matrix whose recordings store once what its combinations have in common."""

import json
from pathlib import Path

import anthropic  # noqa: F401 - imported once, not anew by each run of pytest in this process
import pytest

from flag_harness.cassette import Cassette
from flag_harness.cli import main

CONFIGURATION = """
[tool.flag-harness.flags]
concise = "CONCISE"
idle = "IDLE"
"""
TEST = """
import os

import anthropic
import pytest

@pytest.mark.flag_matrix("concise", "idle")
def test_ask(cassette, flags):
    anthropic.Anthropic(max_retries=0).messages.create(
        model="claude-haiku-4-5",
        max_tokens=100 if os.environ.get("CONCISE") else 200,
        system="You help. " * 200,
        messages=[{"role": "user", "content": "Say this: " + "one " * 300}],
    )
"""
SHARED_PATH = """
import pytest

@pytest.fixture
def harness_cassette_path(request):
    return request.path.parent / "one.json"
"""
RECORD = ("--harness-upstream=simulator", "-p", "no:randomly")


def _references(folder: Path) -> dict[str, list[str]]:
    """Return the interactions of each combination that are references to a shared file."""
    rows = {path.stem: json.loads(path.read_bytes())["interactions"] for path in folder.glob("*.json")}
    return {name: [one["$json"] for one in found if "$json" in one] for name, found in rows.items()}


def _check_upgrade(folder: Path) -> None:
    """`flag-harness upgrade` writes what the recording wrote, from files of the format before."""
    recorded = {path: path.read_bytes() for path in folder.glob("*.json")}
    for path in recorded:
        cassette = Cassette.load(path)
        path.unlink()
        Cassette(cassette.metadata, cassette.interactions).save(path)
    assert recorded != {path: path.read_bytes() for path in recorded}
    assert 0 == main(["upgrade"])
    assert recorded == {path: path.read_bytes() for path in recorded}


def test_equal_interactions_of_a_matrix_are_stored_once(pytester: pytest.Pytester) -> None:
    """The combination `off` is in one readable file; a rewrite of another leaves what the others share as it is."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST)
    folder = pytester.path / "recordings" / "test_it"
    assert 0 == pytester.runpytest_inprocess("--record-mode=once", *RECORD).ret
    references = _references(folder)
    (concise,), (both,), (idle,) = (references[f"test_ask[{one}]"] for one in ("concise", "concise+idle", "idle"))
    assert [] == references["test_ask[off]"]
    assert concise == both != idle
    shared = {path.name for path in (folder.parent / "blobs").iterdir()}
    assert 2 < len(shared)
    both_before = Cassette.load(folder / "test_ask[concise+idle].json").interactions
    _check_upgrade(folder)

    pytester.makepyfile(test_it=TEST.replace("100 if", "50 if"))
    assert 0 == pytester.runpytest_inprocess("--record-mode=rewrite", *RECORD, "-k", "concise and not idle").ret
    assert shared < {path.name for path in (folder.parent / "blobs").iterdir()}
    assert both_before == Cassette.load(folder / "test_ask[concise+idle].json").interactions


def test_tests_that_share_a_cassette_keep_it_in_one_file(pytester: pytest.Pytester) -> None:
    """Whichever combination is recorded last."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=SHARED_PATH + TEST)
    assert 0 == pytester.runpytest_inprocess("--record-mode=rewrite", *RECORD).ret
    assert not Cassette.load(pytester.path / "one.json").has_parts
    assert 4 == len(Cassette.load(pytester.path / "one.json").interactions)
