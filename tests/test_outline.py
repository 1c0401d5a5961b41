"""Outlines of request bodies in run records."""

import json
from typing import Any

from flag_harness.record.outline import body_outline, is_hashed_value

BODY = {
    "model": "claude-haiku-4-5",
    "max_tokens": 4096,
    "stream": True,
    "stop_sequences": None,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "system": [{"type": "text", "text": "Secret words.", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "find_order", "description": "Private."}, {"name": "Ada Lovelace"}, "odd"],
    "messages": [{"role": "user", "content": "Call 0170 1234567."}],
    "metadata": {"user_id": 1234567},
    "other": {},
}


def test_an_outline_shows_parameters_and_hides_texts() -> None:
    """Numbers, switches and words of the API stand as they are; what people say, and who they are, does not."""
    outline = dict(body_outline(BODY))
    plain = {path: value for path, value in outline.items() if not is_hashed_value(value)}
    assert {
        "max_tokens": 4096,
        "model": "claude-haiku-4-5",
        "stop_sequences": None,
        "stream": True,
        "system[0].cache_control.type": "ephemeral",
        "system[0].type": "text",
        "thinking.budget_tokens": 1024,
        "thinking.type": "enabled",
    } == plain
    assert {
        "messages[0]",
        "metadata.user_id",
        "other",
        "system[0].text",
        "tools[1]",
        "tools[2]",
        "tools[find_order]",
    } == outline.keys() - plain.keys()
    assert not any(word in json.dumps(outline) for word in ("Secret", "Private", "Ada", "1234567"))


def test_an_outline_changes_with_each_part_of_the_body() -> None:
    """In the path of that part; ids that the API generated are left out of account."""
    changed: dict[str, Any] = {**BODY, "system": "Other words.", "messages": [{"role": "user", "content": "Hello."}]}
    before, after = dict(body_outline(BODY)), dict(body_outline(changed))
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {"messages[0]", "system", *(path for path in before if path.startswith("system["))} == differing
    one, other = (body_outline({"messages": [{"tool_use_id": f"toolu_{n}0123456"}]}) for n in "12")
    assert one == other


def test_cache_marks_have_a_path_of_their_own() -> None:
    """A mark changes no other value, and a text may have to become a list for it."""
    plain = {"tools": [{"name": "find"}, "odd"], "messages": [{"role": "user", "content": "Hi"}, "odd"]}
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    block = {"type": "text", "text": "Hi", **mark}
    marked = {"tools": [{"name": "find", **mark}, "odd"], "messages": [{"role": "user", "content": [block]}, "odd"]}
    paths = ("messages[*].content[*].cache_control", "tools[*].cache_control")
    assert dict(body_outline(marked)) == {**dict(body_outline(plain)), **dict.fromkeys(paths, "ephemeral 1h")}
    odd = {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "Ada"}}]}
    assert is_hashed_value(dict(body_outline({"messages": [odd]}))[paths[0]])


def test_an_outline_is_short() -> None:
    """What is beyond its limit is one hash; a body that is no JSON object has none."""
    long = [{"content": f"{number}"} for number in range(200)]
    outline = dict(body_outline({"messages": long}))
    assert 61 == len(outline)
    assert outline["..."] != dict(body_outline({"messages": long[:-1]}))["..."]
    assert () == body_outline(b"text") == body_outline([1])
