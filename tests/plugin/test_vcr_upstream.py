"""A test with the mark `vcr` never sends to the live API in a run that asks for the simulator."""

import pytest

from tests.loopback import LoopbackServer

MANNERS = {
    "true": ("--record-mode=once", "--disable-recording"),
    "'pytest-vcr'": ("--vcr-record=once", "--disable-vcr"),
}
OTHERS = ("-p", "no:recording", "-p", "no:vcr", "-p", "no:cassetter", "-p", "no:xdist", "-p", "no:asyncio")


@pytest.mark.parametrize(
    ("manner", "option"), [(manner, option) for manner, options in MANNERS.items() for option in options]
)
def test_the_simulator_is_refused_before_any_request(
    pytester: pytest.Pytester, loopback_server: LoopbackServer, manner: str, option: str
) -> None:
    """The error names the fixture that can use the simulator; a test without the mark runs."""
    pytester.makepyprojecttoml(f"[tool.flag-harness]\nvcr_marks = {manner}\n")
    pytester.makepyfile(
        test_it=f"""
        import httpx2
        import pytest

        @pytest.mark.vcr
        def test_marked():
            httpx2.get("{loopback_server.url}/")

        def test_unmarked():
            pass
        """
    )
    run = pytester.runpytest_inprocess(*OTHERS, "--harness-upstream=simulator", option)
    run.assert_outcomes(errors=1, passed=1)
    run.stdout.fnmatch_lines(
        ["*--harness-upstream=simulator: tests with vcr marks are recorded from the live API only*"]
    )
    run.stdout.fnmatch_lines(["*test_it.py::test_marked: *use the fixture `cassette` instead of the mark*"])
    assert [] == loopback_server.received
