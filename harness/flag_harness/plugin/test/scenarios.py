"""Load the simulator's scenario that a test names in its `scenario` mark."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.clock import Clock
from flag_harness.errors import ScenarioError
from flag_harness.plugin.refusals import ScenarioFailure
from flag_harness.wire.timeline import Request

if TYPE_CHECKING:
    from flag_harness.simulator import EditTurn, Simulator


def scenario_path(scope: pytest.Item, folder: Path) -> Path | None:
    """Return the file of the scenario that the mark `scenario` names, or None. The file need not exist."""
    mark = scope.get_closest_marker("scenario")
    if mark is None:
        return None
    if len(mark.args) != 1 or mark.kwargs or not isinstance(mark.args[0], str):
        example = next(iter(_scenario_names(folder, str(mark.args[:1]))), "refund")
        raise pytest.fail.Exception(
            f"{scope.nodeid}: the mark scenario takes one name; write @pytest.mark.scenario({example!r}) for "
            f"{folder / f'{example}.toml'}",
            pytrace=False,
        )
    return folder / f"{mark.args[0].removesuffix('.toml')}.toml"


def make_simulator(
    scenario: Path | None,
    clock: Clock,
    random_seeds: Sequence[object] = (),
    combination_id: str = "",
    edit_turn: "EditTurn | None" = None,
) -> "Simulator":
    """Return a simulator that follows a scenario, or repeats the prompt without one. Fail the test if it cannot be
    read.

    `random_seeds` and `combination_id` (of the test's flags) decide which turns with a weight are
    drawn. `edit_turn` changes the turns before they are sent.
    """
    from flag_harness.simulator import simulate  # imported here: a run that only plays cassettes does not need it

    try:
        return simulate(scenario, clock=clock, draws=random_seeds, arm=combination_id, edit_turn=edit_turn)
    except ScenarioError as error:
        raise ScenarioFailure(_scenario_error_message(scenario, error)) from None


def find_api_refusal(request: Request) -> str | None:
    """Return the message with which the API would refuse a request, or None if it would accept it."""
    from flag_harness.simulator.refusal import refusal_message  # imported here: only a miss needs the simulator

    return refusal_message(request)


def _scenario_error_message(scenario: Path | None, error: ScenarioError) -> str:
    """Return the message for a scenario that cannot be used: the reason, the most similar name, and what to type
    next.
    """
    if scenario is None or scenario.exists():
        separator = "\n\n" if "\n" in str(error) else ". "
        return f"The scenario cannot be simulated: {error}{separator}Mend that file, and run the test again."
    names = _scenario_names(scenario.parent, scenario.stem)
    if not names:
        return (
            f"There is no scenario {scenario.stem!r}: {scenario.parent} holds none. Write {scenario}, such as with "
            'these lines (docs/scenarios.md):\n\n[[turn]]\ntext = "Hello."'
        )
    return (
        f"There is no scenario {scenario.stem!r} in {scenario.parent}; the nearest is {names[0]!r}: "
        f"write @pytest.mark.scenario({names[0]!r}), or the file {scenario}."
    )


def _scenario_names(folder: Path, near: str) -> list[str]:
    """Return the names of the scenarios in a folder, sorted by their similarity to `near`."""
    names = sorted(path.stem for path in folder.glob("*.toml"))
    return difflib.get_close_matches(near, names, n=len(names) or 1, cutoff=0.0)
