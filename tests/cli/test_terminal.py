"""How wide what is printed is, if nobody says so."""

import pytest

from flag_harness.cli.terminal import COLUMNS_WITHOUT_TERMINAL, make_console


@pytest.mark.parametrize(("columns", "width"), [(None, COLUMNS_WITHOUT_TERMINAL), ("60", 60)])
def test_output_that_is_no_terminal_has_a_width_of_its_own(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless `COLUMNS` says otherwise: a file or a pipe has no width that rich could ask for."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert width == make_console().width
