"""`@pytest.mark.vcr` records, in vcrpy's format, what it does not hold."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.loopback import LoopbackServer

OURS = ("-p", "no:recording", "-p", "no:vcr", "-p", "no:cassetter", "-p", "no:cacheprovider", "-p", "no:xdist")
CONFIG = "[tool.flag-harness]\nvcr_marks = true\n[tool.pytest.ini_options]\naddopts = '--strict-markers'\n"


@pytest.fixture
def project(pytester: pytest.Pytester, loopback_server: LoopbackServer) -> pytest.Pytester:
    """A project with one test, which sends two requests to a server on loopback."""
    pytester.makepyprojecttoml(CONFIG)
    _write_test(pytester, loopback_server)
    return pytester


def _write_test(project: pytest.Pytester, server: LoopbackServer, mark: str = "vcr", last: str = "") -> None:
    project.makepyfile(
        test_it=f"""
        import httpx2
        import pytest

        @pytest.mark.{mark}
        def test_get(vcr):
            for name in ("one", "two"):
                assert 200 == httpx2.get("{server.url}/" + name).status_code
            {last}
        """
    )


def _cassette(project: pytest.Pytester) -> Path:
    return project.path / "cassettes" / "test_it" / "test_get.yaml"


def _uris(project: pytest.Pytester) -> list[str]:
    return [
        row["request"]["uri"].rpartition("/")[2]
        for row in yaml.safe_load(_cassette(project).read_text())["interactions"]
    ]


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_a_test_is_recorded_and_replayed(project: pytest.Pytester, loopback_server: LoopbackServer, mode: str) -> None:
    """The run says which file it wrote; afterwards, the server is not needed."""
    run = project.runpytest_subprocess(*OURS, f"--record-mode={mode}")
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(["vcr_marks: recorded 2 answers in cassettes/test_it/test_get.yaml"])
    assert ["one", "two"] == _uris(project)
    replay = project.runpytest_subprocess(*OURS)
    replay.assert_outcomes(passed=1)
    replay.stdout.fnmatch_lines(["vcr_marks: 1 test played 2 answers *"])
    replay.stdout.no_fnmatch_line("vcr_marks: recorded*")
    assert ["/one", "/two"] == loopback_server.received


def test_rewriting_forgets_what_was_recorded_before(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """Only what the test sends now is left."""
    project.runpytest_subprocess(*OURS, "--record-mode=once").assert_outcomes(passed=1)
    test = project.path / "test_it.py"
    test.write_text(test.read_text().replace('("one", "two")', '("two", "three")'))
    project.runpytest_subprocess(*OURS, "--record-mode=new_episodes").assert_outcomes(passed=1)
    assert ["one", "two", "three"] == _uris(project)
    project.runpytest_subprocess(*OURS, "--record-mode=rewrite").assert_outcomes(passed=1)
    assert ["two", "three"] == _uris(project)


def test_the_default_sends_nothing(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """Without a record mode, what is not recorded is a miss, which says how to record it."""
    run = project.runpytest_subprocess(*OURS)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["To record it: pytest test_it.py::test_get --record-mode=new_episodes"])
    assert [] == loopback_server.received


def test_a_mode_that_the_suite_sets_is_named_in_the_miss(
    project: pytest.Pytester, loopback_server: LoopbackServer
) -> None:
    """The command line does not overrule it, as in pytest-recording."""
    _write_test(project, loopback_server, "vcr(record_mode='none')")
    run = project.runpytest_subprocess(*OURS, "--record-mode=all")
    run.stdout.fnmatch_lines(
        ["To record it: pytest test_it.py::test_get, once vcr_config or the mark no longer says record_mode = 'none'"]
    )


@pytest.mark.parametrize("last", ["raise ValueError", "pytest.skip('late')"])
def test_a_test_that_does_not_pass_writes_nothing(
    project: pytest.Pytester, loopback_server: LoopbackServer, last: str
) -> None:
    """A recording that exists stays as it is."""
    _write_test(project, loopback_server, last=last)
    run = project.runpytest_subprocess(*OURS, "--record-mode=rewrite")
    run.stdout.no_fnmatch_line("vcr_marks: recorded*")
    assert not _cassette(project).exists()


def test_a_test_whose_setup_fails_writes_nothing(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """Half of what it would send is no recording."""
    project.makepyfile(
        test_it=f"""
        import httpx2
        import pytest

        @pytest.fixture
        def account(vcr):
            httpx2.get("{loopback_server.url}/one")
            raise ValueError("there is no account")

        @pytest.mark.vcr
        def test_get(account):
            pass
        """
    )
    project.runpytest_subprocess(*OURS, "--record-mode=once").assert_outcomes(errors=1)
    assert ["/one"] == loopback_server.received
    assert not _cassette(project).exists()


def test_a_key_fails_the_test(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """The message says where it is, and what takes it out; nothing is written."""
    _write_test(project, loopback_server, last=f"httpx2.get('{loopback_server.url}/leak')")
    run = project.runpytest_subprocess(*OURS, "--record-mode=once")
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.fnmatch_lines(
        [
            f"test_it.py::test_get: {_cassette(project)} was not written, because this still looks like a key, or "
            "cannot be searched for one:",
            "  interaction 2, response body*: an Anthropic key (sk-ant*",
            "Take it out in vcr_config, with filter_headers, *",
        ]
    )
    assert not _cassette(project).exists()


def test_the_projects_filters_are_applied(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """Those of `[tool.flag-harness.filters]`, in addition to the suite's own."""
    project.makepyprojecttoml(CONFIG + "[tool.flag-harness.filters]\npatterns = ['sk-ant-[a-z0-9-]+']\n")
    _write_test(project, loopback_server, last=f"httpx2.get('{loopback_server.url}/leak')")
    project.runpytest_subprocess(*OURS, "--record-mode=once").assert_outcomes(passed=1)
    assert "REDACTED" in _cassette(project).read_text()


def test_a_registered_serializer_writes_and_reads(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """Its name is the suffix of the file, unless it replaces YAML's."""
    project.makeconftest(
        """
        import json

        class Lines:
            @staticmethod
            def deserialize(text):
                return {"interactions": [json.loads(line) for line in text.splitlines()[1:]]}

            @staticmethod
            def serialize(document):
                rows = document["interactions"]
                return "".join(line + "\\n" for line in ["lines", *map(json.dumps, rows)])

        def pytest_recording_configure(config, vcr):
            vcr.register_serializer("yaml", Lines)
            vcr.register_serializer("lines", Lines)
        """
    )
    for mark, suffix in (("vcr", ".yaml"), ("vcr(serializer='lines')", ".lines")):
        loopback_server.received.clear()
        _write_test(project, loopback_server, mark)
        for _ in range(2):
            project.runpytest_subprocess(*OURS, "--record-mode=once").assert_outcomes(passed=1)
        assert 2 == len(loopback_server.received)
        assert "lines" == _cassette(project).with_suffix(suffix).read_text().splitlines()[0]


def test_a_registered_persister_keeps_cassettes_elsewhere(
    project: pytest.Pytester, loopback_server: LoopbackServer
) -> None:
    """Loading and saving go through it."""
    pytest.importorskip("vcr")
    project.makeconftest(
        """
        import pathlib
        from vcr.persisters.filesystem import FilesystemPersister

        class Flat(FilesystemPersister):
            @classmethod
            def load_cassette(cls, path, serializer):
                return super().load_cassette(pathlib.Path(path).name, serializer)

            @staticmethod
            def save_cassette(path, cassette, serializer):
                FilesystemPersister.save_cassette(pathlib.Path(path).name, cassette, serializer)

        def pytest_recording_configure(config, vcr):
            vcr.register_persister(Flat())
        """
    )
    for _ in range(2):
        project.runpytest_subprocess(*OURS, "--record-mode=once").assert_outcomes(passed=1)
    assert 2 == len(loopback_server.received)
    assert (project.path / "test_get.yaml").exists()


def test_the_fixture_says_where_the_cassette_is(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """As text, under both names that vcrpy has had for it; and what was recorded so far."""
    _write_test(
        project,
        loopback_server,
        last="assert vcr._path.replace('x', 'y') and vcr.path == vcr._path and vcr.record_mode == 'once'; "
        "assert (vcr.dirty, len(vcr), vcr.play_count) == (True, 2, 0)",
    )
    project.runpytest_subprocess(*OURS, "--record-mode=once").assert_outcomes(passed=1)


def test_extra_cassettes_are_played_and_stay_as_they_are(
    project: pytest.Pytester, loopback_server: LoopbackServer
) -> None:
    """What is recorded beside them goes to the test's own."""
    project.runpytest_subprocess(*OURS, "--record-mode=once").assert_outcomes(passed=1)
    shutil.move(_cassette(project), _cassette(project).with_name("shared.yaml"))
    _write_test(project, loopback_server, "vcr('shared.yaml')", last=f"httpx2.get('{loopback_server.url}/new')")
    project.runpytest_subprocess(*OURS, "--record-mode=new_episodes").assert_outcomes(passed=1)
    assert ["new"] == _uris(project)
    assert ["/one", "/two", "/new"] == loopback_server.received


def test_five_recorded_files_are_named(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """The others are counted; `-v` names them, and `-q` names none."""
    project.makepyfile(
        test_it=f"""
        import httpx2
        import pytest

        @pytest.mark.vcr
        @pytest.mark.parametrize("n", range(7))
        def test_get(n):
            assert 200 == httpx2.get("{loopback_server.url}/one").status_code
        """
    )
    options, ours = (*OURS, "--record-mode=rewrite"), ("vcr_marks: recorded", "vcr_marks: and")
    lines = {
        option: [line for line in project.runpytest_subprocess(*options, *option).outlines if line.startswith(ours)]
        for option in ((), ("-v",), ("-q",))
    }
    named = [f"vcr_marks: recorded 1 answer in cassettes/test_it/test_get[{n}].yaml" for n in range(7)]
    assert [*named[:5], "vcr_marks: and 2 more (-v names them)"] == lines[()]
    assert named == lines["-v",]
    assert [] == lines["-q",]
