"""A suite written for pytest-recording, unchanged: it passes where it passes there, and fails where it fails there."""

import importlib.util
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

SUITE = Path(__file__).parent / "vcr_suite"
OURS = ("-p", "no:recording")
THEIRS = ("-p", "no:flag_harness")
OTHERS = ("-p", "no:vcr", "-p", "no:cassetter", "-p", "no:cacheprovider", "-p", "no:xdist")
CONFIG = "[tool.flag-harness]\nvcr_marks = true\n[tool.pytest.ini_options]\naddopts = '--strict-markers'\n"

needs_pytest_recording = pytest.mark.skipif(
    importlib.util.find_spec("pytest_recording") is None or importlib.util.find_spec("httpx") is None,
    reason="pytest-recording is not installed here; `nox -s moving_in` compares with it",
)

GET = """
import httpx2
import pytest

@pytest.mark.vcr
def test_get():
    assert 200 == httpx2.get("https://api.anthropic.com/v1/models").status_code
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """The suite in a project that asks for its marks to be served."""
    shutil.copytree(SUITE, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    pytester.makepyprojecttoml(CONFIG)
    return pytester


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with one cassette, that of `test_get` in `test_it.py`."""
    pytester.makepyprojecttoml(CONFIG)
    folder = pytester.mkdir("cassettes") / "test_it"
    folder.mkdir()
    shutil.copy(SUITE / "cassettes" / "test_marks" / "test_get.yaml", folder)
    return pytester


def _outcomes(suite: pytest.Pytester, *arguments: str) -> dict[str, bool]:
    """Whether each test has passed."""
    report = suite.path / "report.xml"
    suite.runpytest_subprocess(*arguments, *OTHERS, f"--junit-xml={report}", timeout=120)
    cases = ElementTree.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}": not len(case) for case in cases}


def _run(project: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    project.makepyfile(test_it=source)
    return project.runpytest_subprocess(*OURS, *OTHERS, *arguments)


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_the_suite_is_served(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Passes and failures are those that the tests' names tell, with clients of either library."""
    pytest.importorskip(library)
    monkeypatch.setenv("SUITE_HTTP_LIBRARY", library)
    outcomes = _outcomes(suite, *OURS)
    assert 50 == len(outcomes)
    assert {test: "test_fails_" not in test for test in outcomes} == outcomes


@needs_pytest_recording
@pytest.mark.parametrize("ours", [OURS, ()], ids=["blocked", "installed"])
def test_outcomes_are_those_of_pytest_recording(suite: pytest.Pytester, ours: tuple[str, ...]) -> None:
    """Outcome by outcome, also where pytest-recording is installed and its marks are taken over."""
    assert _outcomes(suite, *THEIRS) == _outcomes(suite, *ours)


@needs_pytest_recording
def test_without_the_key_pytest_recording_is_left_alone(suite: pytest.Pytester) -> None:
    """Its own fixtures play: a cassette there is one of vcrpy's."""
    suite.makepyprojecttoml("")
    suite.makepyfile(test_it="import pytest\n@pytest.mark.vcr\ndef test_it(vcr):\n    raise LookupError(type(vcr))")
    run = suite.runpytest_subprocess(*OTHERS, "test_it.py")
    run.stdout.fnmatch_lines(["E *LookupError: <class 'vcr.cassette.Cassette'>"])


def test_without_the_key_a_run_has_none_of_it(project: pytest.Pytester) -> None:
    """Neither fixtures nor options nor marks."""
    project.makepyprojecttoml("")
    _run(project, "def test_it(vcr_config): pass").stdout.fnmatch_lines(["E*fixture 'vcr_config' not found"])
    assert pytest.ExitCode.USAGE_ERROR == _run(project, GET, "--block-network").ret
    _run(project, GET, "--strict-markers").stdout.fnmatch_lines(["*'vcr' not found in `markers` configuration option*"])


@pytest.mark.usefixtures("cold")
def test_vcrpy_is_not_needed(project: pytest.Pytester) -> None:
    """Neither it nor pytest-recording is imported."""
    source = GET + "\n    import sys\n    assert not {'vcr', 'pytest_recording'} & sys.modules.keys()\n"
    run = _run(project, source)
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(
        ["vcr_marks: 1 test played 1 answer from vcrpy's cassettes, matched as loosely as vcrpy does"]
    )


def test_workers_hand_their_counts_over(suite: pytest.Pytester) -> None:
    """The closing line is the same on several workers."""
    pytest.importorskip("xdist")
    run = suite.runpytest_subprocess(*OURS, *OTHERS[:6], "-n2", "-ktest_in_class")
    run.assert_outcomes(passed=3)
    run.stdout.fnmatch_lines(["vcr_marks: 3 tests played 3 answers from vcrpy's cassettes,*"])


def test_a_miss_says_what_differs_and_what_to_type(project: pytest.Pytester) -> None:
    """Whole; and also where the test has swallowed whatever was raised."""
    missing = GET.replace("/models", "/models?limit=1")
    swallowing = missing.replace("    assert", "    try:\n        assert").replace(
        "status_code", "status_code\n    except BaseException:\n        pass"
    )
    for source in (missing, swallowing):
        run = _run(project, source)
        run.assert_outcomes(failed=1)
        run.stdout.fnmatch_lines(
            [
                f"GET https://api.anthropic.com/v1/models[?]limit=1 is not in {project.path}/cassettes/test_it/"
                "test_get.yaml (1 interaction).",
                "The nearest is interaction 0; it differs in:",
                "  query: recorded [[][]], sent [[]('limit', '1')[]]",
                "If nobody meant this change, it is a bug: test_it.py:* sends the request",
                "To record it: pytest test_it.py::test_get --record-mode=new_episodes",
                "To match it strictly from now on: flag-harness cassette import cassettes/test_it/test_get.yaml "
                "--to recordings, and use the cassette fixture instead of the mark",
            ],
            consecutive=True,
        )


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_a_miss_in_a_fixture_fails_its_test_alone(project: pytest.Pytester, phase: str) -> None:
    """Raised there, or swallowed; the tests that follow are as ever, and are told nothing of pytest's own order."""
    asked = "httpx2.get('https://api.anthropic.com/v1/other')"
    swallowed = f"try: {asked}\n    except BaseException: pass"
    fixtures = "".join(
        f"@pytest.fixture\ndef {name}(vcr):\n    {line if phase == 'setup' else 'pass'}\n    yield\n"
        f"    {line if phase == 'teardown' else 'pass'}\n"
        for name, line in (("raising", asked), ("swallowing", swallowed))
    )
    source = (
        f"import httpx2\nimport pytest\nBEFORE = httpx2.HTTPTransport.handle_request\n{fixtures}"
        "@pytest.mark.vcr\ndef test_one(raising): pass\n"
        "@pytest.mark.vcr\ndef test_two(raising): pass\n"
        "@pytest.mark.vcr\ndef test_three(swallowing): pass\n"
        "def test_after(): assert BEFORE is httpx2.HTTPTransport.handle_request\n"
    )
    run = _run(project, source)
    if phase == "setup":
        run.assert_outcomes(errors=2, failed=1, passed=1)
    else:
        run.assert_outcomes(errors=3, passed=4)
    assert 3 == run.stdout.str().count("\nGET https://api.anthropic.com/v1/other is not in ")
    run.stdout.no_fnmatch_line("*_finalizers*")


def test_a_miss_behind_another_failure_is_shown_with_it(project: pytest.Pytester) -> None:
    """What was swallowed may be why."""
    source = (
        GET.replace("/models", "/other")
        .replace("    assert", "    try:\n        assert")
        .replace("status_code", "status_code\n    except BaseException:\n        raise ValueError('mine') from None")
    )
    run = _run(project, source)
    run.stdout.fnmatch_lines(["E*ValueError: mine", "*GET https://api.anthropic.com/v1/other is not in *"])


def test_a_test_may_be_allowed_its_misses(project: pytest.Pytester) -> None:
    """By the harness's own mark."""
    source = (
        GET.replace("/models", "/other")
        .replace("@pytest", "@pytest.mark.harness_misses\n@pytest", 1)
        .replace("    assert", "    with pytest.raises(BaseException, match='is not in'):\n        assert")
    )
    _run(project, source).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (
            "vcr(filter_header=['x'])",
            "vcr_config or @pytest.mark.vcr: 'filter_header' is not a setting of vcrpy; the nearest is "
            "'filter_headers'",
        ),
        (
            "vcr(custom_patches=(1,))",
            "vcr_config or @pytest.mark.vcr: custom_patches is not supported: only clients of httpx2 and httpx are "
            "answered",
        ),
        ("block_network(True)", "@pytest.mark.block_network takes allowed_hosts=[[]...[]] only"),
        ("block_network(hosts=['x'])", "@pytest.mark.block_network takes allowed_hosts=[[]...[]] only"),
        ("default_cassette", 'write @pytest.mark.default_cassette("NAME")'),
    ],
)
def test_what_is_not_supported_says_so_by_name(project: pytest.Pytester, mark: str, message: str) -> None:
    """As an error of the test that asks for it."""
    run = _run(project, GET.replace("@pytest", f"@pytest.mark.{mark}\n@pytest", 1))
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines([f"E*UsageError: test_it.py::test_get: {message}"])


def test_the_hook_sets_what_holds_everywhere(project: pytest.Pytester) -> None:
    """Settings are attributes of what it is handed, and can be read again; the mark overrules them."""
    project.makeconftest(
        """
        def pytest_recording_configure(config, vcr):
            assert not hasattr(vcr, "match_on")
            vcr.match_on = ["method"]
            assert vcr.match_on == ["method"]
        """
    )
    other = GET.replace("/models", "/other")
    _run(project, other).assert_outcomes(passed=1)
    _run(project, other.replace("vcr", "vcr(match_on=['path'])", 1)).assert_outcomes(failed=1)


def test_a_cassette_that_cannot_be_read_is_named(project: pytest.Pytester) -> None:
    """With the place in it."""
    path = project.path / "cassettes" / "test_it" / "test_get.yaml"
    path.write_text("interactions: 3")
    run = _run(project, GET)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(
        [f"test_it.py::test_get: {path}: cannot be read as a cassette of vcrpy: it has no list of interactions"]
    )


def test_a_miss_says_that_the_api_would_refuse_the_request(project: pytest.Pytester) -> None:
    """As the fixture `cassette` does."""
    request = 'httpx2.post("https://api.anthropic.com/v1/messages", json={"model": "claude-haiku-4-5", "messages": []})'
    run = _run(project, f"import httpx2, pytest\n@pytest.mark.vcr\ndef test_get():\n    {request}\n")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "The API would refuse this request (as the simulator does): max_tokens: Field required",
            "Change what the code*",
        ]
    )


def test_the_mark_and_the_cassette_fixture_exclude_each_other(project: pytest.Pytester) -> None:
    """Two would answer."""
    run = _run(project, GET.replace("test_get()", "test_get(cassette)"))
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["E*test_get: use either @pytest.mark.vcr or the cassette fixture, not both"])


REACH = """
import socket
import pytest

@pytest.mark.vcr
def test_reach():
    with socket.socket() as sock:
        sock.settimeout(0.01)
        sock.connect_ex(("192.0.2.1", 9))
"""


def test_other_clients_do_not_reach_the_network(project: pytest.Pytester) -> None:
    """Nobody answers them here, where vcrpy would."""
    run = _run(project, REACH)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "this test plays a cassette of vcrpy, but tried to reach 192.0.2.1:9; vcr_marks answers clients of httpx2 "
            "and httpx only; list the host in allowed_hosts of [[]tool.flag-harness[]], or let it through with "
            "@pytest.mark.harness_network"
        ]
    )
    allowed = REACH.replace("@pytest", "@pytest.mark.harness_network\n@pytest", 1)
    _run(project, allowed).assert_outcomes(passed=1)


def test_loopback_and_unix_sockets_stay_open(project: pytest.Pytester) -> None:
    """To servers that a test starts itself."""
    source = REACH.replace('("192.0.2.1", 9)', '("127.0.0.1", 9)') + (
        "\n@pytest.mark.vcr\ndef test_unix():\n    with socket.socket(socket.AF_UNIX) as sock:\n"
        "        assert sock.connect_ex('/nowhere')\n"
    )
    _run(project, source).assert_outcomes(passed=2)


LOCAL = """
import pytest

@pytest.mark.block_network(allowed_hosts=["127"])
def test_local():
    import socket
    with socket.create_connection(("127.0.0.1", 9)):
        pass
"""


def test_hosts_are_allowed_whole(project: pytest.Pytester) -> None:
    """An expression that matches a beginning only lets nothing through: pytest-recording would."""
    run = _run(project, LOCAL)
    run.stdout.fnmatch_lines(["E*RuntimeError: Network is disabled for host '127.0.0.1'"])


def test_the_command_line_blocks_every_test(project: pytest.Pytester) -> None:
    """But for the hosts that it names, separated by commas."""
    source = LOCAL.replace('@pytest.mark.block_network(allowed_hosts=["127"])', "")
    blocked = _run(project, source, "--block-network", "--allowed-hosts=one,two")
    blocked.stdout.fnmatch_lines(["E*RuntimeError: Network is disabled for host '127.0.0.1'"])
    allowed = _run(project, source, "--block-network", "--allowed-hosts=one,127.*")
    allowed.stdout.fnmatch_lines(["E*ConnectionRefusedError: *"])


def test_a_test_that_is_to_record_is_not_blocked(project: pytest.Pytester) -> None:
    """As in pytest-recording: a record mode other than none opens the network."""
    source = LOCAL.replace("@pytest", "@pytest.mark.vcr(record_mode='once')\n@pytest", 1)
    _run(project, source).stdout.fnmatch_lines(["E*ConnectionRefusedError: *"])


def test_recording_disabled_leaves_cassettes_alone(project: pytest.Pytester) -> None:
    """The request goes out, here to where nobody listens."""
    source = GET.replace("https://api.anthropic.com/", "http://127.0.0.1:9/")
    run = _run(project, source, "--disable-recording")
    run.stdout.fnmatch_lines(["E*httpx2.ConnectError: *"])


def test_a_name_too_long_for_a_file_is_shortened_as_there(project: pytest.Pytester) -> None:
    """With a hash of the whole, so that the cassettes that pytest-recording wrote are found."""
    folder = project.path / "cassettes" / "test_it"
    long = "n" * 300
    name = "n" * 215 + "...28af73996b9b4545b2102e4f1025222d.yaml"
    (folder / "test_get.yaml").rename(folder / name)
    _run(project, GET.replace("@pytest", f"@pytest.mark.default_cassette('{long}')\n@pytest", 1)).assert_outcomes(
        passed=1
    )


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ("serializer='json'", "cassettes/test_it/test_get.json"),
        ("path_transformer=lambda path: path + '.cassette'", "cassettes/test_it/test_get.cassette"),
        ("cassette_library_dir='kept'", "kept/test_get.yaml"),
    ],
)
def test_cassettes_are_found_where_settings_put_them(project: pytest.Pytester, settings: str, path: str) -> None:
    """As vcrpy puts them."""
    target = project.path / path
    target.parent.mkdir(exist_ok=True)
    (project.path / "cassettes" / "test_it" / "test_get.yaml").rename(target)
    _run(project, GET.replace("vcr", f"vcr({settings})", 1)).assert_outcomes(passed=1)


def test_a_mistaken_configuration_is_told_once(project: pytest.Pytester) -> None:
    """Not in place of what the project says."""
    project.makepyprojecttoml("[tool.flag-harness]\nvcr_marks = 'yes'\n")
    run = _run(project, GET)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    message = "*pyproject.toml:2: [[]tool.flag-harness[]] vcr_marks = 'yes' must be true or false, or 'pytest-vcr'"
    run.stderr.fnmatch_lines([message])
