"""Files that are written whole or not at all."""

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.files import (
    find_abandoned_temporary_files,
    read_regular_file,
    remove_abandoned_temporary_files,
    write_atomically,
)

SIZE = 200_000

WRITER = f"""
import sys
from pathlib import Path
from flag_harness.files import write_atomically
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"abcdef":
        write_atomically(path, bytes([letter]) * {SIZE})
"""


@given(first=st.binary(max_size=200), second=st.binary(max_size=200))
def test_what_is_written_replaces_what_was_there(
    first: bytes, second: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any bytes, over any others, and nothing is left beside the file."""
    folder = tmp_path_factory.mktemp("files")
    for data in (first, second):
        write_atomically(folder / "file", data)
        assert data == (folder / "file").read_bytes()
    assert ["file"] == os.listdir(folder)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """Cassettes and contexts go where nothing was before."""
    write_atomically(tmp_path / "a" / "b" / "file", b"data")
    assert b"data" == (tmp_path / "a" / "b" / "file").read_bytes()


@pytest.mark.parametrize(("umask", "permissions"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_gives_the_permissions(tmp_path: Path, umask: int, permissions: int) -> None:
    """The file is neither more open nor more closed than one that an editor would write."""
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert permissions == stat.S_IMODE((tmp_path / "file").stat().st_mode)


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o444])
def test_a_file_keeps_the_permissions_that_it_has(tmp_path: Path, permissions: int) -> None:
    """What its owner closed to others stays closed, whatever the umask says."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(permissions)
    write_atomically(path, b"data")
    assert permissions == stat.S_IMODE(path.stat().st_mode)
    assert b"data" == path.read_bytes()


@pytest.mark.parametrize("there", [True, False], ids=["a file", "nothing yet"])
def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path, there: bool) -> None:
    """Also where it leads to another folder, and nothing is left in either."""
    (tmp_path / "far").mkdir()
    if there:
        (tmp_path / "far" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("far/file")
    write_atomically(tmp_path / "link", b"data")
    assert (tmp_path / "link").is_symlink()
    assert b"data" == (tmp_path / "far" / "file").read_bytes()
    assert (["file"], ["far", "link"]) == (os.listdir(tmp_path / "far"), sorted(os.listdir(tmp_path)))


OLD, YOUNG = ".a[1].json.0123456789abcdef.part", ".a[1].json.abcdef0123456789.part"


def parts(folder: Path) -> list[str]:
    """Parts of a file `a[1].json`, of others, and what only looks like one; all but one are old."""
    others = [".a1.json.0123456789abcdef.part", ".a[1].json.x.part", ".a[1].json.new.0123456789abcdef.part"]
    for name in (OLD, YOUNG, *others):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    (folder / YOUNG).touch()
    return [YOUNG, *others]


def test_what_killed_writers_of_a_file_left_is_removed(tmp_path: Path) -> None:
    """And nothing else: not what may still be written, nor what belongs to other files."""
    kept = parts(tmp_path)
    remove_abandoned_temporary_files(tmp_path / "a[1].json")
    assert sorted(kept) == sorted(os.listdir(tmp_path))
    remove_abandoned_temporary_files(tmp_path / "no" / "file")


def test_a_part_that_vanishes_while_it_is_looked_at_harms_nobody(tmp_path: Path) -> None:
    """Its writer was not dead. A link to nowhere vanishes for certain."""
    (tmp_path / OLD).symlink_to("nowhere")
    remove_abandoned_temporary_files(tmp_path / "a[1].json")
    assert [] == [*find_abandoned_temporary_files(tmp_path, time.time())]


def test_what_cannot_be_removed_stays(tmp_path: Path) -> None:
    """Here because it is a folder."""
    (tmp_path / OLD).mkdir()
    os.utime(tmp_path / OLD, (0, 0))
    remove_abandoned_temporary_files(tmp_path / "a[1].json")
    assert [OLD] == os.listdir(tmp_path)


def test_threads_that_write_at_once_leave_the_umask_as_it_was(tmp_path: Path) -> None:
    """Each file gets its permissions, and so does every file that the process makes later."""
    before = os.umask(0o022)
    try:
        threads = [
            threading.Thread(target=lambda n=n: [write_atomically(tmp_path / f"{n}-{i}", b"x") for i in range(20)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0o022 == os.umask(0o022)
    finally:
        os.umask(before)
    assert {0o644} == {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}


@pytest.mark.parametrize("letter", ["x", "é", "語", "🙂"])
def test_the_longest_name_that_the_file_system_takes_is_written(tmp_path: Path, letter: str) -> None:
    """255 bytes of name, however many characters they are."""
    name = letter * (255 // len(letter.encode()))
    write_atomically(tmp_path / name, b"data")
    assert b"data" == (tmp_path / name).read_bytes()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """A folder stands where the file should go: the rename fails after the bytes were written."""
    (tmp_path / "file" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "file", b"data")
    assert ["file"] == os.listdir(tmp_path)
    assert ["inside"] == os.listdir(tmp_path / "file")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root may write")
def test_a_full_disk_names_the_file_and_leaves_it(tmp_path: Path) -> None:
    """The system names no file when a write fails; a limit of the size of files stands for a full disk."""
    path = tmp_path / "file.json"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_atomically(path, bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (str(path), "old", [path]) == (caught.value.filename, path.read_text(), list(tmp_path.iterdir()))


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    """Here, a folder has the name of the file."""
    with pytest.raises(IsADirectoryError) as caught:
        write_atomically(tmp_path, b"new")
    assert str(tmp_path) == caught.value.filename


def test_a_folder_that_takes_no_files_is_an_error() -> None:
    """Nothing was begun, so nothing is to be removed."""
    with pytest.raises(OSError, match="No such file or directory"):
        write_atomically(Path("/proc/self/file"), b"data")


def test_a_name_that_is_too_long_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """The part can be written, the file cannot."""
    with pytest.raises(OSError, match="File name too long"):
        write_atomically(tmp_path / ("x" * 256), b"data")
    assert [] == os.listdir(tmp_path)


def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    """Killed while it writes without a pause, again and again."""
    path = tmp_path / "file"
    for round_number in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert b"ready\n" == writer.stdout.readline()
            time.sleep(0.01 + 0.005 * round_number)
            writer.send_signal(signal.SIGKILL)
        if path.exists():
            data = path.read_bytes()
            assert (SIZE, 1) == (len(data), len(set(data)))
    assert path.exists()


def test_a_reader_sees_whole_files_only(tmp_path: Path) -> None:
    """While another process writes, each look finds one whole file."""
    path = tmp_path / "file"
    write_atomically(path, b"a" * SIZE)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        seen = [path.read_bytes() for _ in range(200)]
        writer.kill()
    assert {(SIZE, 1)} == {(len(data), len(set(data))) for data in seen}


def test_a_file_that_grows_while_it_is_read_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is only what it was before; it is refused if it has grown too large."""
    path = tmp_path / "growing"
    path.write_bytes(b"1234567890")
    small = os.stat_result((*path.stat()[:6], 4, *path.stat()[7:]))
    monkeypatch.setattr(Path, "stat", lambda self, **options: small)
    assert b"1234567890" == read_regular_file(path, 10)
    with pytest.raises(ValueError, match="has more than 9 bytes"):
        read_regular_file(path, 9)
