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
    """In one paragraph for all, which names the fixture that can use the simulator; a test without the mark runs."""
    pytester.makepyprojecttoml(f"[tool.flag-harness]\nvcr_marks = {manner}\n")
    pytester.makepyfile(
        test_it=f"""
        import httpx2
        import pytest

        @pytest.mark.vcr
        def test_marked():
            httpx2.get("{loopback_server.url}/")

        @pytest.mark.vcr
        def test_other():
            httpx2.get("{loopback_server.url}/")

        def test_unmarked():
            pass
        """
    )
    run = pytester.runpytest_inprocess(*OTHERS, "--harness-upstream=simulator", option)
    run.assert_outcomes(errors=2, passed=1)
    run.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_marked *",
            "--harness-upstream=simulator: tests with vcr marks are recorded from the live API only*-m 'not vcr'*",
            "-* the same error in 1 other test -*",
            "test_it.py::test_other; pytest -v prints each of them",
            "*ERROR at setup of test_other *",
            "the same error as in test_it.py::test_marked",
        ],
        consecutive=True,
    )
    assert [] == loopback_server.received
