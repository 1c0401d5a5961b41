"""Reads scenario files. A mistake is told with file, line, key and the nearest key that exists."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import NoReturn, get_args

import msgspec

from harness.errors import ScenarioError
from harness.simulator.scenario import Block, Call, Scenario, StopReason, Tables, Turn, When

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_EXAMPLE = 'a turn reads: [[turn]] when = { user_contains = "hello" } text = "Hello!"'


def load_scenario(path: Path | str) -> Scenario:
    """Read a scenario from a TOML file, as `harness.simulator.scenario` documents it.

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
    for index, turn in enumerate(scenario.turns):
        problem = _problem(turn)
        if problem is not None:
            key, words = problem
            raise ScenarioError(f"{source}{_line(text, f'turn[{index}]', key)}: turn[{index}]: {words}")
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


def _line(text: str, path: str, key: str) -> str:
    """`:LINE` of `key` within the turn that `path` names; of that turn where the key is not found; else nothing."""
    lines = text.split("\n")
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


def _problem(turn: Turn) -> tuple[str, str] | None:
    """The key and the words of what is wrong with a turn beyond its keys and types."""
    return _answer_problem(turn) or _when_problem(turn.when) or _blocks_problem(turn)


def _answer_problem(turn: Turn) -> tuple[str, str] | None:
    flat = [key for key, value in (("thinking", turn.thinking), ("text", turn.text), ("call", turn.calls)) if value]
    if turn.error is not None and (flat or turn.blocks):
        return (
            "error",
            f"it has an error and {(flat or ['block'])[0]!r}; an error is the whole answer, make it two turns",
        )
    if turn.blocks and flat:
        return "block", f"it has 'block' and {flat[0]!r}; put {flat[0]!r} among the blocks"
    if turn.error is None and not turn.content and turn.stop_reason is None:
        return "when", "it answers nothing; give it text, thinking, call, block, error, or a stop_reason"
    return None


def _when_problem(when: When) -> tuple[str, str] | None:
    for key, pattern in (("user_matches", when.user_matches), ("result_matches", when.result_matches)):
        try:
            re.compile(pattern or "")
        except re.error as error:
            return key, f"when.{key} = {pattern!r} is not a regular expression: {error}"
    numbers = (when.nth,) if isinstance(when.nth, int) else when.nth
    if any(number < 1 for number in numbers):
        return "nth", f"when.nth = {when.nth!r} counts from 1"
    return None


def _blocks_problem(turn: Turn) -> tuple[str, str] | None:
    for index, block in enumerate(turn.content):
        if sum(value is not None for value in msgspec.structs.astuple(block)) != 1:
            return "block", f"block[{index}] must have exactly one key of {', '.join(Block.__struct_fields__)}"
        if block.call is not None:
            problem = _call_problem(block.call, turn.ends_with)
            if problem is not None:
                return problem
    return None


def _call_problem(call: Call, stop_reason: str) -> tuple[str, str] | None:
    if (call.input is None) == (call.partial_json is None):
        return "call", f"the call of {call.name!r} needs either input = {{...}} or partial_json = '...'"
    if call.partial_json is not None and stop_reason != "max_tokens":
        words = f'the call of {call.name!r} has partial_json, a call that was cut; add stop_reason = "max_tokens"'
        return "partial_json", words
    return None
