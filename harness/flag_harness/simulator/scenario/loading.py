"""Reads scenario files. A mistake is told with file, line, key and the nearest key that exists."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import NoReturn, get_args

import msgspec

from flag_harness.errors import ScenarioError
from flag_harness.simulator.scenario.scenario import Scenario, StopReason, Tables
from flag_harness.simulator.scenario.validation import settings_problem, turn_problem

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_LONG_STRING = re.compile(r'''"""(?:\\.|[^\\])*?"""|\'{3}.*?\'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*''', re.DOTALL)
"""Strings and comments; only those of several lines may hold what looks like a table."""
_EXAMPLE = 'a turn reads: [[turn]] when = { user_contains = "hello" } text = "Hello!"'


def load_scenario(path: Path | str) -> Scenario:
    """Read a scenario from a TOML file, as `flag_harness.simulator.scenario.scenario` documents it.

    Raises `ScenarioError` with file, line and key where the file is missing, is not TOML, or says something that
    scenarios do not have.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        _refuse_missing(path)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text: {error}") from None
    return parse_scenario(text, path)


def parse_scenario(text: str, source: Path | str = "<scenario>") -> Scenario:
    """A scenario from TOML text; `source` is named in errors. Raises `ScenarioError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not TOML: {error}") from None
    try:
        scenario = msgspec.convert(document, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(_explained(str(error), text, source)) from None
    if not scenario.turns:
        raise ScenarioError(f"{source}: a scenario without turns answers nothing; {_EXAMPLE}")
    problem = settings_problem(scenario)
    if problem is not None:
        raise ScenarioError(f"{source}{_line(text, '', problem.key)}: {problem.words}")
    for index, turn in enumerate(scenario.turns):
        problem = turn_problem(turn)
        if problem is not None:
            raise ScenarioError(f"{source}{_line(text, f'turn[{index}]', problem.key)}: turn[{index}]: {problem.words}")
    return scenario


def _refuse_missing(path: Path) -> NoReturn:
    others = sorted(file.name for file in path.parent.glob("*.toml")) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, others, n=1, cutoff=0.0)
    hint = f"the nearest there is {near[0]!r}" if near else f"there is no scenario in {path.parent}"
    raise ScenarioError(f"{path}: no such scenario; {hint}")


def _explained(error: str, text: str, source: Path | str) -> str:
    """msgspec's message with the line, and for an unknown key the nearest one."""
    at = _PATH.search(error)
    path = at["path"] if at else ""
    words = _PATH.sub("", error)
    unknown = _UNKNOWN.match(words)
    if unknown is None:
        key = re.sub(r"\[[^]]*\]", "", path.rpartition(".")[2])
        hint = f" (all: {', '.join(get_args(StopReason))})" if key == "stop_reason" else ""
        return f"{source}{_line(text, path, key)}: {path}: {words[:1].lower()}{words[1:]}{hint}"
    table = Tables.get(re.sub(r"\[[^]]*\]", "", path.rpartition(".")[2]), Scenario)
    known = [field.encode_name for field in msgspec.structs.fields(table)]
    nearest = difflib.get_close_matches(unknown["key"], known, n=1, cutoff=0.0)[0]
    line = _line(text, path, unknown["key"])
    where = f"{path} has" if path else "a scenario has"
    return f"{source}{line}: {where} no key {unknown['key']!r}; the nearest is {nearest!r} (all: {', '.join(known)})"


def _blanked(found: re.Match[str]) -> str:
    """Nothing but the line ends of a string of several lines; other strings and comments as they are."""
    return "\n" * found[0].count("\n") or found[0]


def _line(text: str, path: str, key: str) -> str:
    """`:LINE` of `key` within the turn that `path` names; of that turn where the key is not found; else nothing."""
    lines = _LONG_STRING.sub(_blanked, text).split("\n")
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
