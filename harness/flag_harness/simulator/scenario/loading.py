"""Loading of scenario files. Errors name the file, the line, the key and the nearest valid key."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import NoReturn

import msgspec

from flag_harness.errors import ScenarioError
from flag_harness.files import read_regular_file, reason_unreadable
from flag_harness.simulator.scenario.scenario import STRUCT_BY_TABLE_NAME, Scenario
from flag_harness.simulator.scenario.validation import settings_problem, turn_problem

MAX_SCENARIO_BYTES = 16 << 20
"""The largest size of a scenario file in bytes, enough for one image and one document of the API's largest sizes."""

_UNKNOWN_FIELD_ERROR_PATTERN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_ERROR_PATH_PATTERN = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_STRING_OR_COMMENT_PATTERN = re.compile(
    r'''"""(?:\\.|[^\\])*?"""|\'{3}.*?\'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*''', re.DOTALL
)
"""Matches strings and comments in TOML. Multi-line strings may contain lines that look like the header of a table."""
_EXAMPLE_TURN = '[[turn]]\nwhen = { user_contains = "hello" }\ntext = "Hello!"'


def load_scenario(path: Path | str) -> Scenario:
    """Load a scenario from a TOML file, in the format that docs/scenarios.md describes.

    Raise `ScenarioError` with file, line and key if the file is missing, is not TOML, or is not a valid scenario.
    """
    path = Path(path)
    try:
        text = read_regular_file(path, MAX_SCENARIO_BYTES).decode("utf-8")
    except FileNotFoundError:
        _raise_file_not_found(path)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text: {error}") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read: {reason_unreadable(error)}") from None
    return parse_scenario(text, path)


def parse_scenario(text: str, source: Path | str = "<scenario>") -> Scenario:
    """Parse a scenario from TOML text. Raise `ScenarioError`, which names `source`, if it is invalid."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not TOML: {error}") from None
    except RecursionError:
        raise ScenarioError(f"{source}: its values are nested too deeply") from None
    try:
        scenario = msgspec.convert(document, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(_error_message(str(error), text, source)) from None
    if not scenario.turns:
        raise ScenarioError(f"{source}: a scenario needs at least one turn, such as:\n\n{_EXAMPLE_TURN}")
    problem = settings_problem(scenario)
    if problem is not None:
        raise ScenarioError(f"{source}{_line_number_suffix(text, '', problem.key)}: {problem.message}")
    for index, turn in enumerate(scenario.turns):
        problem = turn_problem(turn)
        if problem is not None:
            raise ScenarioError(
                f"{source}{_line_number_suffix(text, f'turn[{index}]', problem.key)}: turn[{index}]: {problem.message}"
            )
    return scenario


def _raise_file_not_found(path: Path) -> NoReturn:
    """Raise a `ScenarioError` that names the file in the same folder with the most similar name."""
    others = sorted(file.name for file in path.parent.glob("*.toml")) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, others, n=1, cutoff=0.0)
    hint = f"the nearest is {near[0]!r}" if near else f"there are no scenarios in {path.parent}"
    raise ScenarioError(f"{path}: no such file; {hint}")


def _error_message(msgspec_message: str, text: str, source: Path | str) -> str:
    """Return msgspec's error message with the file and line added and, for an unknown key, the nearest valid key."""
    at = _ERROR_PATH_PATTERN.search(msgspec_message)
    path = at["path"] if at else ""
    message = _ERROR_PATH_PATTERN.sub("", msgspec_message)
    unknown = _UNKNOWN_FIELD_ERROR_PATTERN.match(message)
    if unknown is None:
        key = re.sub(r"\[[^]]*\]", "", path.rpartition(".")[2])
        return f"{source}{_line_number_suffix(text, path, key)}: {path}: {message[:1].lower()}{message[1:]}"
    table = STRUCT_BY_TABLE_NAME.get(re.sub(r"\[[^]]*\]", "", path.rpartition(".")[2]), Scenario)
    known = [field.encode_name for field in msgspec.structs.fields(table)]
    nearest = difflib.get_close_matches(unknown["key"], known, n=1, cutoff=0.0)[0]
    line = _line_number_suffix(text, path, unknown["key"])
    where = f"{path} has" if path else "a scenario has"
    return f"{source}{line}: {where} no key {unknown['key']!r}; the nearest is {nearest!r} (all: {', '.join(known)})"


def _blank_multiline_string(match: re.Match[str]) -> str:
    """Return only the line ends of a multi-line string, so that line numbers stay the same. Return other matches
    unchanged.
    """
    return "\n" * match[0].count("\n") or match[0]


def _line_number_suffix(text: str, path: str, key: str) -> str:
    """Return `:LINE` for the line of a key in the turn that `path` names.

    If the key is not found, return the line of the turn. If `path` names no turn, return an empty string.
    """
    lines = _STRING_OR_COMMENT_PATTERN.sub(_blank_multiline_string, text).split("\n")
    first, last = 0, len(lines)
    turn = re.match(r"turn\[(\d+)\]", path)
    if turn:
        starts = [number for number, line in enumerate(lines) if re.match(r"\s*\[\[\s*turn\s*\]\]", line)]
        starts.append(len(lines))
        first, last = starts[int(turn[1])], starts[int(turn[1]) + 1]
    written = re.compile(rf"""(?:^|[\s{{,\[.])["']?{re.escape(key)}["']?\s*[=\].]""")
    found = next((number for number in range(first, last) if written.search(lines[number])), None)
    if found is None:
        return f":{first + 1}" if turn else ""
    return f":{found + 1}"
