"""Reads scenario files. Errors name the file, line, key and the nearest existing key."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import NoReturn

import msgspec

from flag_harness.errors import ScenarioError
from flag_harness.files import read_regular_file
from flag_harness.simulator.scenario.scenario import TABLE_TYPES, Scenario
from flag_harness.simulator.scenario.validation import settings_problem, turn_problem

MAX_SCENARIO_BYTES = 16 << 20
"""The largest scenario that is read, in bytes: one with an image and a document of the size that the API takes."""

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_LONG_STRING = re.compile(r'''"""(?:\\.|[^\\])*?"""|\'{3}.*?\'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*''', re.DOTALL)
"""Strings and comments. Only multi-line strings can contain what looks like a table."""
_EXAMPLE = '[[turn]] when = { user_contains = "hello" } text = "Hello!"'


def load_scenario(path: Path | str) -> Scenario:
    """Read a scenario from a TOML file; `flag_harness.simulator.scenario.scenario` documents the format.

    Raises `ScenarioError` with file, line and key if the file is missing, is not TOML, or is not a valid scenario.
    """
    path = Path(path)
    try:
        text = read_regular_file(path, MAX_SCENARIO_BYTES).decode("utf-8")
    except FileNotFoundError:
        _raise_missing_file(path)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text: {error}") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_scenario(text, path)


def parse_scenario(text: str, source: Path | str = "<scenario>") -> Scenario:
    """Read a scenario from TOML text; errors name `source`. Raises `ScenarioError`."""
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
        raise ScenarioError(f"{source}: a scenario needs at least one turn, such as: {_EXAMPLE}")
    problem = settings_problem(scenario)
    if problem is not None:
        raise ScenarioError(f"{source}{_line_suffix(text, '', problem.key)}: {problem.message}")
    for index, turn in enumerate(scenario.turns):
        problem = turn_problem(turn)
        if problem is not None:
            raise ScenarioError(
                f"{source}{_line_suffix(text, f'turn[{index}]', problem.key)}: turn[{index}]: {problem.message}"
            )
    return scenario


def _raise_missing_file(path: Path) -> NoReturn:
    others = sorted(file.name for file in path.parent.glob("*.toml")) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, others, n=1, cutoff=0.0)
    hint = f"the nearest is {near[0]!r}" if near else f"there are no scenarios in {path.parent}"
    raise ScenarioError(f"{path}: no such file; {hint}")


def _error_message(error: str, text: str, source: Path | str) -> str:
    """Return msgspec's message with the line, and the nearest key if the key is unknown."""
    at = _PATH.search(error)
    path = at["path"] if at else ""
    message = _PATH.sub("", error)
    unknown = _UNKNOWN.match(message)
    if unknown is None:
        key = re.sub(r"\[[^]]*\]", "", path.rpartition(".")[2])
        return f"{source}{_line_suffix(text, path, key)}: {path}: {message[:1].lower()}{message[1:]}"
    table = TABLE_TYPES.get(re.sub(r"\[[^]]*\]", "", path.rpartition(".")[2]), Scenario)
    known = [field.encode_name for field in msgspec.structs.fields(table)]
    nearest = difflib.get_close_matches(unknown["key"], known, n=1, cutoff=0.0)[0]
    line = _line_suffix(text, path, unknown["key"])
    where = f"{path} has" if path else "a scenario has"
    return f"{source}{line}: {where} no key {unknown['key']!r}; the nearest is {nearest!r} (all: {', '.join(known)})"


def _blank_multiline_string(found: re.Match[str]) -> str:
    """Return only the line ends of a multi-line string; other strings and comments unchanged."""
    return "\n" * found[0].count("\n") or found[0]


def _line_suffix(text: str, path: str, key: str) -> str:
    """Return `:LINE` of `key` in the turn named by `path`, or that of the turn itself, or an empty string."""
    lines = _LONG_STRING.sub(_blank_multiline_string, text).split("\n")
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
