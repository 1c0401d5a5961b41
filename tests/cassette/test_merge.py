"""Cassettes that several tests record into, and writers that are killed: real files, threads and processes."""

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, Replay
from flag_harness.cassette.file.lock import LOCK_FILE_NAME, STALE_LOCK_SECONDS, lock_parent_folder
from flag_harness.cassette.merge import can_add_answers_from, indices_recorded_by, is_recorded_by, merge_recordings
from flag_harness.errors import CassetteError
from flag_harness.files import write_atomically
from flag_harness.wire.timeline import Chunk, End, Head, Request, body

WHEN, LATER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
FORK = multiprocessing.get_context("fork")


def _one(asked: str, answer: str, case: str = "") -> Interaction:
    request = Request("POST", "/v1/messages", (), b'{"ask":"%b"}' % asked.encode())
    return Interaction(request, (Head(0.0, 200, ()), Chunk(0.1, answer.encode()), End(0.2)), case)


def _recorded(case: str, *asked: str, combination: str = "off", answer: str = "") -> Cassette:
    """What a test has just recorded."""
    metadata = CassetteMetadata("live", WHEN, "anthropic 2.12.0", case, combination)
    return Cassette(metadata, tuple(_one(one, answer or f"{one} for {case}") for one in asked))


def _asked(cassette: Cassette) -> list[tuple[str, str]]:
    return [(one.case or cassette.metadata.case, one.decoded_body["ask"]) for one in cassette.interactions]


def test_a_cassette_of_one_test_is_replaced_by_its_next_recording() -> None:
    """Nothing is left of the old one, and nothing in the file tells of any merging."""
    new = _recorded("a", "new")
    assert new == merge_recordings(None, new) == merge_recordings(_recorded("a", "old", "older"), new)


def test_what_other_tests_recorded_is_kept() -> None:
    """Each interaction with the test that it belongs to, in the order of the tests' names."""
    both = merge_recordings(_recorded("b", "1", "2"), _recorded("a", "3", combination="streaming"))
    assert [("a", "3"), ("b", "1"), ("b", "2")] == _asked(both)
    assert ("a", "streaming") == (both.metadata.case, both.metadata.combination)
    assert ["", "b", "b"] == [one.case for one in both.interactions]
    again = merge_recordings(both, _recorded("b", "4"))
    assert [("a", "3"), ("b", "4")] == _asked(again)
    assert ("a", "streaming") == (again.metadata.case, again.metadata.combination)


def test_the_file_is_the_same_whoever_writes_last(tmp_path: Path) -> None:
    """Byte by byte, for every order of three tests; and a second recording changes nothing."""
    recordings = [_recorded(case, f"{case}1", "same", combination=f"c{case}") for case in "abc"]
    files = set()
    for number, order in enumerate(permutations(recordings)):
        path = tmp_path / f"{number}.json"
        for one in (*order, *order):
            old = Cassette.load(path) if path.exists() else None
            merge_recordings(old, one).save(path)
        files.add(path.read_bytes())
    assert 1 == len(files)
    assert not merge_recordings(Cassette.load(path), recordings[1]).save(path)


def test_what_is_added_stands_after_the_tests_own() -> None:
    """With the older date: the cassette is as old as the oldest that it holds."""
    old = _recorded("a", "1")
    both = merge_recordings(replace(old, metadata=replace(old.metadata, recorded_at=LATER)), old, keep_earlier=True)
    assert ([("a", "1"), ("a", "1")], WHEN) == (_asked(both), both.metadata.recorded_at)


def test_what_nobody_is_known_to_have_recorded_counts_as_the_tests_own() -> None:
    """An imported cassette: kept where it is added to, with what makes it match; replaced otherwise."""
    imported = replace(_recorded("", "1"), metadata=CassetteMetadata("imported", "", match_on=("method",)))
    added = merge_recordings(imported, _recorded("a", "2"), keep_earlier=True)
    assert ([("a", "1"), ("a", "2")], ("method",), WHEN) == (
        _asked(added),
        added.metadata.match_on,
        added.metadata.recorded_at,
    )
    assert [("a", "2")] == _asked(merge_recordings(imported, _recorded("a", "2")))
    assert is_recorded_by(imported, "a")


def test_another_upstreams_answers_and_those_of_lost_tests_are_not_kept() -> None:
    """Metadata tells of one upstream; a test that is gone needs no answers."""
    old = merge_recordings(_recorded("gone", "1"), _recorded("b", "2"))
    new = merge_recordings(old, _recorded("a", "3"), is_gone=lambda case: case == "gone")
    assert [("a", "3"), ("b", "2")] == _asked(new)
    simulated = replace(old, metadata=replace(old.metadata, upstream="simulator"))
    assert [("a", "3")] == _asked(merge_recordings(simulated, _recorded("a", "3")))


def test_nothing_is_added_to_what_another_upstream_answered() -> None:
    """What was imported stays imported, whatever is added; where nothing is kept there is nothing to mix."""
    old = _recorded("a", "1")
    simulated = replace(old, metadata=replace(old.metadata, upstream="simulator"), path=Path("x.json"))
    with pytest.raises(CassetteError) as caught:
        merge_recordings(simulated, _recorded("a", "2"), keep_earlier=True)
    assert (
        "x.json was recorded from: simulator; answers of another upstream (live) cannot be added. Record it again: "
        "--record-mode=rewrite"
    ) == str(caught.value)
    imported = replace(old, metadata=replace(old.metadata, upstream="imported"))
    assert "imported" == merge_recordings(imported, _recorded("a", "2"), keep_earlier=True).metadata.upstream
    empty = replace(simulated, interactions=())
    assert [can_add_answers_from(one, "live") for one in (simulated, imported, empty)] == [False, True, True]
    assert "live" == merge_recordings(empty, _recorded("a", "2"), keep_earlier=True).metadata.upstream


def test_a_cassette_is_as_old_as_its_oldest_part() -> None:
    """What others recorded is no younger than before, unless they have been recorded anew, too."""
    old = merge_recordings(_recorded("b", "1"), _recorded("c", "2"))
    new = _recorded("a", "3")
    new = replace(new, metadata=replace(new.metadata, recorded_at=LATER))
    assert WHEN == merge_recordings(old, new).metadata.recorded_at
    assert WHEN == merge_recordings(old, new, is_recorded_now=lambda case: case == "b").metadata.recorded_at
    assert LATER == merge_recordings(old, new, is_recorded_now=lambda case: case in "bc").metadata.recorded_at
    assert LATER == merge_recordings(_recorded("a", "3"), new).metadata.recorded_at


def test_a_test_is_played_what_it_recorded_itself_first() -> None:
    """Two tests asked the same and were answered differently; each gets its own, and answers for its own alone."""
    shared = merge_recordings(_recorded("a", "same", "only a"), _recorded("b", "same", "only b"))
    for case, own in (("a", (0, 1)), ("b", (2, 3))):
        replay = Replay(shared, case=case)
        assert f"same for {case}".encode() == body(replay(_one("same", "").request))
        assert own == replay.own_indices
    assert (0, 1, 2, 3) == indices_recorded_by(_recorded("a", *"1234"), "renamed")
    assert () == indices_recorded_by(shared, "c")
    assert [True, False] == [is_recorded_by(shared, case) for case in "bc"]
    assert b"only a for a" == body(Replay(shared, case="b")(_one("only a", "").request))


CASSETTES = 16


def _record(folder: str, worker: int, tests: int, blocked: Sequence[str] = ()) -> None:
    """What a worker does at the end of each of its tests."""
    for name in blocked:
        sys.modules[name] = None  # type: ignore[assignment]
    for number in range(tests):
        path = Path(folder, f"{number % CASSETTES}.json")
        new = _recorded(f"test_{worker}_{number}", "same", str(number))
        with lock_parent_folder(path):
            merge_recordings(Cassette.load(path) if path.exists() else None, new).save(path)


@pytest.mark.parametrize("blocked", [(), ("fcntl",)], ids=["folder", "lock file"])
def test_two_workers_that_record_into_shared_cassettes_lose_nothing(
    tmp_path: Path, blocked: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    """Two processes, sixteen files, also where there is no `flock`."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what is lost by a power failure is not at stake here
    tests = 200 if deep else 64
    workers = [FORK.Process(target=_record, args=(str(tmp_path), number, tests, blocked)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [0, 0] == [worker.exitcode for worker in workers]
    expected = {
        (f"test_{worker}_{number}", asked)
        for worker in range(2)
        for number in range(tests)
        for asked in ("same", str(number))
    }
    cassettes = [Cassette.load(path) for path in tmp_path.glob("*.json")]
    found = [one for cassette in cassettes for one in _asked(cassette)]
    assert (len(expected), expected) == (len(found), set(found))
    assert {f"{number}.json" for number in range(CASSETTES)} == {path.name for path in tmp_path.iterdir()}


OLD, NEW = (
    _recorded("a", *map(str, range(30)), answer="old" * 300),
    _recorded("a", *map(str, range(30)), answer="new" * 300),
)


def _write_for_ever(path: str, has_started: Any) -> None:
    has_started.set()
    for number in range(10**9):
        with lock_parent_folder(Path(path)):
            (NEW, OLD)[number % 2].save(path)


@pytest.mark.parametrize("first", [None, OLD], ids=["no cassette", "an old cassette"])
def test_kill_9_while_recording_leaves_the_old_cassette_or_none(
    tmp_path: Path, first: Cassette | None, deep: bool
) -> None:
    """Or the new one, never a part: real processes, killed at moments spread over a few writes.

    The next writer is not held up.
    """
    path, moments = tmp_path / "x.json", random.Random(7)
    started = time.perf_counter()
    OLD.save(path)
    long = 4 * (time.perf_counter() - started)
    path.unlink()
    whole = {None: None, OLD.interactions: "old", NEW.interactions: "new"}
    found = set()
    kills = iter(range(1_000))
    while next(kills) < (200 if deep else 15) or not found > {"new"}:
        path.unlink(missing_ok=True) if first is None else first.save(path)
        has_started = FORK.Event()
        writer = FORK.Process(target=_write_for_ever, args=(str(path), has_started))
        writer.start()
        has_started.wait()
        time.sleep(moments.uniform(0.0, long))
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert -signal.SIGKILL == writer.exitcode
        left = Cassette.load(path).interactions if path.exists() else None
        assert left in whole
        long *= 0.9 if whole[left] == "new" else 1.1  # however busy the machine is, kills fall on both sides of a write
        found.add(whole[left])
        with lock_parent_folder(path):
            pass


def test_a_cassette_is_written_by_umask(tmp_path: Path) -> None:
    """As any new file is; so is a blob."""
    before = os.umask(0o027)
    try:
        OLD.save(tmp_path / "x.json")
        write_atomically(tmp_path / "blob", b"x")
    finally:
        os.umask(before)
    assert [0o640, 0o640] == [(tmp_path / name).stat().st_mode & 0o777 for name in ("x.json", "blob")]


@pytest.fixture(params=[True, False], ids=["folder", "lock file"])
def _lockable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Folders can be locked, or cannot, as on a network file system."""
    if not request.param:
        fcntl = ModuleType("fcntl")
        fcntl.LOCK_EX = 2  # type: ignore[attr-defined]

        def flock(descriptor: int, how: int) -> None:
            raise OSError(9, "Bad file descriptor")

        fcntl.flock = flock  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fcntl", fcntl)
    return


@pytest.mark.usefixtures("_lockable")
def test_one_thread_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    """And nothing is left when the last has let go, also where the work failed."""
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(20):
            with lock_parent_folder(tmp_path / "folder" / "x.json"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0005)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(KeyError), lock_parent_folder(tmp_path / "folder" / "x.json"):
        raise KeyError
    assert (1, []) == (most[0], list((tmp_path / "folder").iterdir()))


def test_a_lock_file_that_a_killed_process_left_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is older than any writing takes."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    lock = tmp_path / LOCK_FILE_NAME
    lock.touch()
    then = time.time() - STALE_LOCK_SECONDS - 1
    os.utime(lock, (then, then))
    with lock_parent_folder(tmp_path / "x.json"):
        assert time.time() - lock.stat().st_mtime < STALE_LOCK_SECONDS
    assert not lock.exists()
