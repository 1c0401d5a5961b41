"""The life of cassettes in a stranger's repository: names, sharing, orphans, age."""

import json
import os
import shutil
import struct
import time
import zlib
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cli import main
from flag_harness.wire.timeline import End, Head, Request

ASK = """
import anthropic
import pytest

def ask(text="Hello."):
    client = anthropic.Anthropic(max_retries=0)
    client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": text}])
"""
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")
CLAIMS = Path(".pytest_cache", "v", "flag-harness", "claims")


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository that holds nothing but its tests; it may be asked by the command line, too."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '--strict-markers'\n")
    return pytester


def _files(repository: pytest.Pytester) -> set[str]:
    recordings = repository.path / "recordings"
    return {path.relative_to(recordings).as_posix() for path in recordings.rglob("*.json")}


def _cases(path: Path) -> list[tuple[str, str]]:
    cassette = Cassette.load(path)
    return [
        ((one.case or cassette.metadata.case).partition("::")[2], one.decoded_body["messages"][0]["content"])
        for one in cassette.interactions
    ]


def test_cassettes_are_named_by_class_and_sorted_parameters(repository: pytest.Pytester) -> None:
    """Each test has its own, and plays it."""
    repository.makepyfile(
        test_ask=ASK
        + """
@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("model", ["haiku"], ids=["some id"])
def test_ask(cassette, turns, model):
    ask(f"{model} {turns}")

class TestOne:
    def test_ask(self, cassette):
        ask("one")

@pytest.mark.flag_matrix("streaming")
def test_flags(cassette):
    ask("flags")
"""
    )
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=5)
    assert {
        "test_ask/TestOne.test_ask.json",
        "test_ask/test_ask[model=haiku,turns=1].json",
        "test_ask/test_ask[model=haiku,turns=2].json",
        "test_ask/test_flags[off].json",
        "test_ask/test_flags[streaming].json",
    } == _files(repository)
    repository.runpytest_subprocess().assert_outcomes(passed=5)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
def test_two_tests_of_one_name_stop_the_run(repository: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """At collection, naming both; tests that use no cassette may have any name."""
    repository.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize("n", [1, 1])
        def test_fine(n): pass

        @pytest.mark.parametrize("n", [1, 1])
        @pytest.mark.harness_no_request
        def test_it(cassette, n): pass
        """
    )
    run = repository.runpytest_subprocess(*workers)
    assert 0 != run.ret
    assert (
        "test_it.py::test_it[1_0] and test_it.py::test_it[1_1] would have the same cassette, "
        "recordings/test_it/test_it[n=1].json: give them different names or parameters, or override the fixture "
        "harness_cassette_path"
    ) in run.stdout.str()
    run.assert_outcomes(errors=1, passed=4 if workers else 0, failed=0)


SHARED = (
    ASK
    + """
@pytest.fixture
def harness_cassette_path(request):
    return request.config.rootpath / "recordings" / "shared.json"
"""
)
TWO = SHARED + "def test_a(cassette):\n    ask('a')\n    ask()\ndef test_b(cassette):\n    ask('b')\n    ask()\n"


@pytest.mark.parametrize("mode", ["rewrite", "once"])
def test_tests_that_share_a_cassette_each_have_their_part(repository: pytest.Pytester, mode: str) -> None:
    """Recorded by two workers; played; each must play its own, and what a rewrite of one replaces is its own."""
    repository.makepyfile(test_it=TWO)
    path = repository.path / "recordings" / "shared.json"
    record = (f"--record-mode={mode}", "--harness-upstream=simulator")
    repository.runpytest_subprocess(*record, "-n", "2").assert_outcomes(passed=2)
    found = _cases(path)
    assert found == sorted(found, key=lambda pair: pair[0])
    assert {("test_a", "a"), ("test_b", "b")} <= set(found)
    repository.runpytest_subprocess().assert_outcomes(passed=2)
    repository.makepyfile(test_it=TWO.replace("ask('b')", "pass"))
    run = repository.runpytest_subprocess()
    run.assert_outcomes(passed=1, failed=1)
    before = _cases(path)
    repository.runpytest_subprocess(*RECORD, "test_it.py::test_b").assert_outcomes(passed=1)
    assert [*(one for one in before if one[0] == "test_a"), ("test_b", "Hello.")] == _cases(path)


def test_a_rewrite_drops_what_lost_tests_recorded(repository: pytest.Pytester) -> None:
    """Once their file is collected whole without them, or is gone; not where one test is run by name."""
    repository.makepyfile(test_it=TWO, test_lost=SHARED + "def test_c(cassette):\n    ask('c')\n")
    path = repository.path / "recordings" / "shared.json"
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=3)
    repository.makepyfile(test_it=SHARED + "def test_new(cassette):\n    ask('new')\n")
    repository.runpytest_subprocess(*RECORD, "test_it.py::test_new").assert_outcomes(passed=1)
    assert {"test_a", "test_b", "test_new", "test_c"} == {case for case, _ in _cases(path)}
    (repository.path / "test_lost.py").unlink()
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=1)
    assert [("test_new", "new")] == _cases(path)


def _png() -> bytes:
    """A grey picture of 100 x 100 pixels, not compressed."""
    head = struct.pack(">IIBBBBB", 100, 100, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100 * 101), 0)
    chunks = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_large_blocks_of_all_tests_stand_in_one_folder(repository: pytest.Pytester) -> None:
    """Below the recordings."""
    (repository.path / "picture.png").write_bytes(_png())
    repository.makepyfile(
        test_ask=ASK
        + """
import base64
from pathlib import Path

DATA = base64.b64encode(Path("picture.png").read_bytes()).decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}

def test_one(cassette):
    ask([IMAGE, {"type": "text", "text": "one"}])

def test_two(cassette):
    ask([IMAGE, {"type": "text", "text": "two"}])
"""
    )
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=2)
    assert [_png()] == [path.read_bytes() for path in (repository.path / "recordings" / "blobs").iterdir()]
    repository.runpytest_subprocess().assert_outcomes(passed=2)


ONE = ASK + "def test_one(cassette):\n    ask()\n"
IDLE = "import pytest\n@pytest.mark.harness_no_request\n@pytest.mark.harness_unplayed\ndef test_one(cassette): pass\n"


def _cassette(case: str) -> Cassette:
    """What a test has recorded that sends nothing any more."""
    asked = Interaction(Request("POST", "/v1/messages", (), b"{}"), (Head(0.0, 200, ()), End(0.1)))
    return Cassette(CassetteMetadata("live", "2026-01-01T00:00:00Z", case=case), (asked,))


@pytest.fixture
def orphaned(repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A repository one of whose two recorded tests was taken away since; a foreign file stands among the cassettes."""
    repository.makepyfile(test_ask=IDLE)
    for name in ("test_one", "test_two"):
        _cassette(f"test_ask.py::{name}").save(repository.path / "recordings" / "test_ask" / f"{name}.json")
    (repository.path / "recordings" / "foreign.json").write_text('{"mine": 1}')
    monkeypatch.chdir(repository.path)
    return repository


ORPHAN = "recordings/test_ask/test_two.json"


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_whole_run_names_the_cassettes_of_no_test(orphaned: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """On one worker and on several; prune removes them, and nothing else."""
    run = orphaned.runpytest_subprocess(*workers)
    run.stdout.fnmatch_lines(
        [
            f"1 cassette belongs to no test: {ORPHAN}",
            "To look at what would be removed: flag-harness cassette prune --dry-run",
        ]
    )
    assert 1 == main(["cassette", "prune", "--dry-run"])
    assert 0 == main(["cassette", "prune"])
    assert {"test_ask/test_one.json", "foreign.json"} == _files(orphaned)
    orphaned.runpytest_subprocess(*workers).stdout.no_fnmatch_line("*belong* to no test*")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("test_ask.py",), "it did not run all of the root directory"),
        (("--lf",), "it ran with --lf"),
        (("--ignore=other",), "it ran with --ignore"),
        (("-k", "nothing"), "tests were deselected"),
    ],
    ids=["arguments", "--lf", "--ignore", "deselected"],
)
def test_after_a_run_that_was_not_whole_prune_refuses(
    orphaned: pytest.Pytester, arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says why, and what to type; the run names no orphans."""
    orphaned.runpytest_subprocess(*arguments).stdout.no_fnmatch_line("*belong* to no test*")
    capsys.readouterr()
    assert 2 == main(["cassette", "prune"])
    assert f"the last run was not complete ({reason}); run the whole suite first: pytest\n" == capsys.readouterr().err
    assert (orphaned.path / ORPHAN).exists()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ValueError", "test_bad.py could not be collected"),
        (
            SHARED + "@pytest.mark.skip\ndef test_own(cassette): pass\n",
            "test_bad.py::test_own, which has a cassette path of its own, did not run",
        ),
    ],
    ids=["not collected", "own path"],
)
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_run_that_could_not_see_every_claim_is_not_whole(
    orphaned: pytest.Pytester, source: str, reason: str, workers: tuple[str, ...]
) -> None:
    """Whoever cannot be asked may claim anything."""
    orphaned.makepyfile(test_bad=source)
    orphaned.runpytest_subprocess(*workers).stdout.no_fnmatch_line("*belong* to no test*")
    assert reason == json.loads((orphaned.path / CLAIMS).read_bytes())["partial_reason"]


@pytest.mark.parametrize("arguments", [(), ("-x",)])
def test_a_run_that_was_stopped_is_not_whole(orphaned: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    """By a test, or at the first failure."""
    statement = "assert False" if arguments else "pytest.exit('enough')"
    orphaned.makepyfile(test_a=f"import pytest\ndef test_stop(): {statement}\n")
    orphaned.runpytest_subprocess(*arguments)
    assert "it was stopped before its end" == json.loads((orphaned.path / CLAIMS).read_bytes())["partial_reason"]


def test_a_worker_that_dies_takes_its_claims_along(orphaned: pytest.Pytester) -> None:
    """The run is no whole one."""
    orphaned.makepyfile(test_bad="import os\ndef test_die(): os._exit(1)\n")
    orphaned.runpytest_subprocess("-n", "1", "--max-worker-restart=1")
    assert "a worker died" == json.loads((orphaned.path / CLAIMS).read_bytes())["partial_reason"]


def test_cassettes_of_files_that_were_not_collected_are_nobodys_orphans(orphaned: pytest.Pytester) -> None:
    """Tests outside of `testpaths` have theirs, too; once such a file is gone, it has none."""
    orphaned.mkdir("outside").joinpath("test_other.py").write_text(IDLE)
    other = orphaned.path / "recordings" / "outside" / "test_other" / "test_one.json"
    _cassette("outside/test_other.py::test_one").save(other)
    orphaned.makepyprojecttoml("[tool.pytest.ini_options]\ntestpaths = ['test_ask.py']\n")
    orphaned.runpytest_subprocess().stdout.fnmatch_lines([f"1 cassette belongs to no test: {ORPHAN}"])
    (orphaned.path / "outside" / "test_other.py").unlink()
    orphaned.runpytest_subprocess().stdout.fnmatch_lines(
        [f"2 cassettes belong to no test: recordings/outside/test_other/test_one.json, {ORPHAN}"]
    )


def test_a_combination_that_the_command_line_leaves_out_keeps_its_cassette(repository: pytest.Pytester) -> None:
    """A run with flags pinned is no whole one."""
    repository.makepyprojecttoml('[tool.flag-harness.flags]\nfast = "FAST"\n')
    matrix = "@pytest.mark.flag_matrix\ndef test_ask(cassette): ask()\n"
    repository.makepyfile(test_ask=ASK + matrix)
    repository.runpytest_inprocess(*RECORD).assert_outcomes(passed=2)
    run = repository.runpytest_inprocess("--harness-flags=fast")
    run.assert_outcomes(passed=1)
    run.stdout.no_fnmatch_line("*belongs to no test*")
    assert "it ran with --harness-flags" == json.loads((repository.path / CLAIMS).read_bytes())["partial_reason"]


def test_without_a_cache_orphans_are_named_all_the_same(orphaned: pytest.Pytester) -> None:
    """But there is no advice that would not work."""
    run = orphaned.runpytest_subprocess("-p", "no:cacheprovider")
    run.stdout.fnmatch_lines([f"1 cassette belongs to no test: {ORPHAN}"])
    run.stdout.no_fnmatch_line("*prune*")


def _aged(repository: pytest.Pytester, days: int) -> None:
    repository.makepyfile(test_ask=ONE)
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=1)
    path = repository.path / "recordings" / "test_ask" / "test_one.json"
    recorded_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400 - 60))
    document = json.loads(path.read_bytes())
    path.write_text(path.read_text().replace(document["envelope"]["recorded_at"], recorded_at))


def test_old_recordings_are_named(repository: pytest.Pytester) -> None:
    """Where they are older than the age asked for; nothing fails, and nothing is recorded."""
    _aged(repository, 31)
    run = repository.runpytest_subprocess("--harness-max-age=30d")
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(
        ["1 test plays recordings older than --harness-max-age=30d: test_ask.py::test_one (31 days)"]
    )
    for fine in ("32d", "5w", "800h"):
        repository.runpytest_subprocess(f"--harness-max-age={fine}").stdout.no_fnmatch_line("*older*")


def test_old_recordings_fail_their_tests_where_that_is_asked_for(repository: pytest.Pytester) -> None:
    """With what to type; on workers too."""
    _aged(repository, 31)
    path = repository.path / "recordings" / "test_ask" / "test_one.json"
    before = path.read_bytes()
    for limit in ("4w:fail", "700h:error"):
        run = repository.runpytest_subprocess(f"--harness-max-age={limit}", "-n", "1")
        run.assert_outcomes(failed=1)
        run.stdout.fnmatch_lines(
            [
                f"{path} was recorded 31 days ago; --harness-max-age={limit} allows no older ones.",
                "To record it anew: pytest test_ask.py::test_one --record-mode=rewrite --harness-upstream=simulator",
            ]
        )
    repository.runpytest_subprocess("--harness-max-age=32d:fail").assert_outcomes(passed=1)
    assert before == path.read_bytes()


def test_what_does_not_say_when_it_was_recorded_has_no_age(repository: pytest.Pytester) -> None:
    """Nobody guesses."""
    _aged(repository, 0)
    path = repository.path / "recordings" / "test_ask" / "test_one.json"
    recorded_at = json.loads(path.read_bytes())["envelope"]["recorded_at"]
    path.write_text(path.read_text().replace(recorded_at, ""))
    repository.runpytest_subprocess("--harness-max-age=1h:fail").assert_outcomes(passed=1)


@pytest.mark.parametrize("text", ["30", "0d", "d", "30d:warn", "1.5d", "3m"])
def test_what_is_no_age_is_a_usage_error(repository: pytest.Pytester, text: str) -> None:
    """That says how to write one."""
    run = repository.runpytest_subprocess(f"--harness-max-age={text}")
    assert 4 == run.ret
    run.stderr.fnmatch_lines(
        [
            f"*argument --harness-max-age: '{text}' is not an age: write a whole number of days, weeks or hours (30d, "
            "2w, 12h), and :fail after it to fail tests instead of naming them"
        ]
    )


def test_a_test_outside_of_the_root_directory_is_named_by_its_file(repository: pytest.Pytester) -> None:
    """Its cassette stands among the others."""
    root = repository.mkdir("root")
    root.joinpath("pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    repository.makepyfile(test_ask=ONE)
    os.chdir(root)
    repository.runpytest_subprocess("--rootdir", root, "-c", root / "pyproject.toml", "../test_ask.py", *RECORD)
    assert ["test_one.json"] == [path.name for path in root.rglob("recordings/test_ask/*.json")]


IMPORTED = (
    ASK.replace("import pytest", "import pytest\nfrom pathlib import Path")
    + """
@pytest.mark.parametrize("model", ["claude-3.5", "a/b"])
class TestK:
    def test_c(self, cassette, model):
        ask(model)
        assert cassette.plan.cassette_path.name == NAMES[model]
"""
)
ROW = """
- request:
    method: POST
    uri: https://api.anthropic.com/v1/messages
    headers: {content-type: [application/json]}
    body: '{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"TEXT"}]}'
  response:
    status: {code: 200}
    headers: {content-type: [application/json]}
    body: {string: '{"type":"message","content":[]}'}
"""


def test_an_imported_cassette_is_found_by_the_name_that_it_had(
    repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-recording's layout, imported as it lies; one of the test's own name goes before it."""
    monkeypatch.chdir(repository.path)
    folder = repository.path / "tests" / "cassettes" / "test_k"
    folder.mkdir(parents=True)
    names = {"claude-3.5": "TestK.test_c[claude-3.5].json", "a/b": "TestK.test_c[a-b].json"}
    for model, name in names.items():
        (folder / name.replace(".json", ".yaml")).write_text("interactions:" + ROW.replace("TEXT", model))
    module = repository.path / "tests" / "test_k.py"
    module.write_text(f"{IMPORTED}\nNAMES = {names}\n")
    assert 0 == main(["cassette", "import", "tests/cassettes", "--to", "recordings"])
    played = repository.runpytest_subprocess()
    played.assert_outcomes(passed=2)
    played.stdout.no_fnmatch_line("*no test*")
    recordings = repository.path / "recordings" / "tests" / "test_k"
    own = {"claude-3.5": "TestK.test_c[model=claude-3.5].json", "a/b": names["a/b"]}
    shutil.copy(recordings / names["claude-3.5"], recordings / own["claude-3.5"])
    module.write_text(f"{IMPORTED}\nNAMES = {own}\n")
    repository.runpytest_subprocess().assert_outcomes(passed=2)
