"""The switches of the page: declared flags, and the other settings of the reference agent."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flag_harness.analysis.effects.flag_runs import attribute_effects_from_cassettes, flag_effect_lines
from flag_harness.cassette import Cassette
from flag_harness.config import read_config
from flag_harness.errors import FlagError
from flag_harness.flag import SHIPPED_FLAGS, Flag

EXPLANATION_BY_FLAG: Mapping[str, str] = {
    "streaming": "Answers come as events and are shown as they come; off: each answer is shown once it is complete.",
    "prompt_cache": "Marks tools, system prompt and the latest turns for the prompt cache; tokens that are read from "
    "it cost a tenth.",
    "extended_output": "Allows MAX_TOKENS in place of 4,096 tokens an answer, and lets the model think first.",
}
"""For each flag of the reference agent, by name, a sentence that says what the flag changes."""


@dataclass(frozen=True, slots=True)
class FlagSwitch:
    """A flag that the page can switch: it is read from an environment variable."""

    flag: Flag
    explanation: str


def flag_switches(pyproject: Path) -> list[FlagSwitch]:
    """Return a switch for each flag of the reference agent and for each flag that the project declares.

    Flags with another source than a variable are left out: a page cannot set them.
    """
    declared = [flag for flag in read_config(pyproject).flags if flag.env]
    variables = {flag.env for flag in declared}
    flags = [*declared, *(flag for flag in SHIPPED_FLAGS if flag.env not in variables)]
    shipped = {flag.env: flag.name for flag in SHIPPED_FLAGS}
    return [FlagSwitch(flag, _flag_help(flag, shipped.get(flag.env))) for flag in flags]


def _flag_help(flag: Flag, shipped_explanation: str | None) -> str:
    if shipped_explanation is not None:
        return EXPLANATION_BY_FLAG[shipped_explanation]
    return f"Sets {flag.env}, which the reference agent does not read, but its tools may."


def find_flag_changes_in_recordings(pyproject: Path) -> list[str]:
    """Return lines that say what each flag changes in the requests of the project's recordings.

    Raise `HarnessError` if a recording cannot be read.
    """
    config = read_config(pyproject)
    folder = pyproject.parent / config.recordings
    files = [path for path in sorted(folder.rglob("*.json")) if "blobs" not in path.parts]
    lines = flag_effect_lines(attribute_effects_from_cassettes(map(Cassette.load, files), config.flags))
    return lines or [f"{folder} holds no recordings of one test under two combinations."]


def flag_value_in_environment(flag: Flag, environ: Mapping[str, str]) -> Any:
    """Return the flag's value in the environment, or its default if the variable holds no valid value."""
    try:
        return flag.read_value(environ)
    except FlagError:
        return flag.default


def environ_with_values(
    environ: Mapping[str, str], values: Mapping[Flag, Any], numbers: Mapping[str, str]
) -> dict[str, str]:
    """Return a copy of `environ` in which the variables of flags are set to `values`, and other variables to `numbers`.

    `numbers` has the values by the names of the variables. An empty text removes the variable.
    """
    texts = {flag.env: flag.environment_variable_text(value) for flag, value in values.items()}
    changed = {**environ, **numbers, **{name: text for name, text in texts.items() if text is not None}}
    return {name: text for name, text in changed.items() if texts.get(name, text) is not None and text != ""}
