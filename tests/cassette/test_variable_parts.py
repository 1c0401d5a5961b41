"""What looks as if it differed at every run, and the configuration that takes it out of matching."""

import tomllib
from typing import Any

import pytest

from flag_harness.cassette import Normalisers
from flag_harness.cassette.match.difference import find_differences
from flag_harness.cassette.match.variable_parts import find_variable_part, normaliser_setting_lines


def _advice(recorded: Any, sent: Any) -> tuple[list[str], str]:
    """The kinds of parts, and the lines to add to the configuration."""
    parts = [part for part in map(find_variable_part, find_differences(recorded, sent)) if part]
    return [part.kind for part in parts], "\n".join(normaliser_setting_lines(parts))


def _text(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize(
    ("recorded", "sent", "kind"),
    [
        (
            "saved as note_0d9f3c5e-2f63-4a51-9a4e-94d1f7a3b001",
            "saved as note_7be0a7b8-11aa-4c3d-8f00-0123456789ab",
            "an id",
        ),
        ("ticket TCK-83hf72", "ticket TCK-x91kd0", "an id"),
        ("run 9f86d081884c7d65", "run 2c26b46b68ffc68f", "an id"),
        ("<Tool object at 0x7f3a2b4c5d60>", "<Tool object at 0x7f9a8b7c6d50>", "an id"),
        ("Today is 2026-01-02.", "Today is 2026-03-04.", "a date or time"),
        ("Now: 2026-01-02T03:04:05.678Z", "Now: 2026-11-28T13:14:15.123Z", "a date or time"),
        ("It is Friday, January 2, 2026.", "It is Saturday, November 28, 2026.", "a date or time"),
        ("at 03:04:05 UTC", "at 13:14:15 UTC", "a date or time"),
        ("since 1767322800", "since 1795848800", "a date or time"),
        ("wrote /tmp/tmpab12cd/x.txt", "wrote /tmp/tmpzz98yy/x.txt", "a temporary path"),
        ("in C:\\Users\\a\\Temp\\q1", "in C:\\Users\\a\\Temp\\r22", "a temporary path"),
        ("Order number 4711 is done", "Order number 93 is done", "a number"),
        ("took 0.13 s", "took 12.4 s", "a number"),
        ("pin 482910", "pin 118273", "an id or a random number"),
        ("pin 482910112", "pin 118273445", "an id or a random number"),
        ("Fri Dec 11 13:50:13 2026", "Wed Jan  4 21:26:51 2027", "a date or time"),
        ("at http://127.0.0.1:49722/x", "at http://127.0.0.1:39330/x", "an address"),
        ("at localhost:49722", "at localhost:39330", "an address"),
        ("from 10.14.15.79", "from 10.90.234.24", "an address"),
        ("from 69:7a:aa:9f:44:f2", "from ee:14:23:f7:64:4e", "an address"),
        ("from fe80::6c38:eca2", "from fe80::1025:67dc", "an address"),
        ("took 208ms", "took 1518ms", "a duration or size"),
        ("real 0m0.803s", "real 1m2.202s", "a duration or size"),
        ("wrote 12.5KB", "wrote 3MiB", "a duration or size"),
        ("of 5,799,072 rows", "of 12,934 rows", "a number"),
        ("key WVEgONESFXwIn1Ih4b5hAKK9/Zw=", "key WEiq9r/JLmSR99d3+eYW8GN/Me4=", "an id"),
        ("key 83OQ9IxDkN1t4lLpUuB2s", "key rTQ5zixDZocm6jVsDsXD5", "an id"),
        ("job wvwslkqojm", "job jwdofywuuc", "an id"),
    ],
)
def test_a_text_that_differs_at_every_run_gets_the_line_that_mends_it(recorded: str, sent: str, kind: str) -> None:
    """With the printed configuration, the two requests are equal."""
    kinds, lines = _advice(_text(recorded), _text(sent))
    assert [kind] == kinds
    normalisers = Normalisers(**tomllib.loads(lines)["tool"]["flag-harness"]["normalise"])
    assert normalisers.normalise_value(_text(recorded)) == normalisers.normalise_value(_text(sent))
    assert normalisers.normalise_value(_text("A word, 12.")) == _text("A word, 12.")


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [
        (_text("Refund the order."), _text("Cancel the order.")),
        (_text("Be brief on 2026-01-02."), _text("Be verbose on 2026-03-04.")),
        ({"max_tokens": 4096}, {"max_tokens": 16384}),
        ({"model": "claude-haiku-4-5"}, {"model": "claude-sonnet-5-5"}),
        ({"tools": [{"name": "search_v1a2b3"}]}, {"tools": [{"name": "search_v9x8y7"}]}),
        ({"stream": False}, {"stream": True}),
        (_text("Refund the whole order."), _text("Cancel the whole order.")),
        (_text("Sum the addition."), _text("Sum the subtract.")),
    ],
)
def test_a_real_change_gets_no_advice(recorded: Any, sent: Any) -> None:
    """Neither do settings and names, whatever they look like."""
    assert ([], "") == _advice(recorded, sent)


def test_a_number_of_the_body_is_named_by_its_path() -> None:
    """Indices are left open, since the next turn has others."""
    recorded = {"messages": [{"content": [{"input": {"seed": 71993021}}]}]}
    sent = {"messages": [{"content": [{"input": {"seed": 40118273}}]}]}
    lines = '[tool.flag-harness.normalise]\njson = ["messages[*].content[*].input.seed"]'.replace('"', "'")
    assert (["a number"], lines) == _advice(recorded, sent)


def test_the_same_tools_in_another_order_are_one_difference() -> None:
    """Which names them in both orders."""
    recorded = {"tools": [{"name": "search", "x": 1}, {"name": "fetch"}, {"name": "answer"}]}
    sent = {"tools": [recorded["tools"][2], *recorded["tools"][:2]]}
    (one,) = find_differences(recorded, sent)
    assert (
        "tools: reordered, the same 3 in another order: recorded search, fetch, answer, sent answer, search, fetch"
        == str(one)
    )
    assert (["an order"], "[tool.flag-harness.normalise]\njson = ['tools']") == _advice(recorded, sent)


def test_tools_in_another_order_are_named_beside_what_else_differs_in_them() -> None:
    """A cache mark on the last tool moves with the order; a tool may be new, gone or changed as well."""
    tools = [{"name": "search", "x": 1}, {"name": "fetch"}, {"name": "answer", "cache_control": {"type": "ephemeral"}}]
    marked = [{"name": "answer"}, {"name": "search", "x": 1}, {**tools[1], "cache_control": {"type": "ephemeral"}}]
    order = "tools: reordered: recorded search, fetch, answer, sent answer, search, fetch"
    found = list(find_differences({"tools": tools}, {"tools": marked}))
    assert [order, "tools[2].cache_control"] == [str(found[0]), found[1].path]
    lines = "[tool.flag-harness.normalise]\njson = ['tools']"
    assert (["an order"], lines) == _advice({"tools": tools}, {"tools": marked})
    changed = [tools[2], {"name": "search", "x": 2}, {"name": "new"}]
    found = list(find_differences({"tools": tools}, {"tools": changed}))
    assert ["tools", "tools[0].x", "tools[1]", "tools[2]"] == [one.path for one in found]
    assert (tools[1], ("tools", 1)) == (found[2].recorded_value, found[2].recorded_steps)
    assert ({"name": "new"}, ("tools", 2)) == (found[3].sent_value, found[3].sent_steps)


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [
        ("Tools: search, fetch, answer.", "Tools: answer, search, fetch."),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
    ],
)
def test_the_same_words_in_another_order_are_named(recorded: str, sent: str) -> None:
    """A set that is joined, or a dict that is printed, is no change of a number."""
    (one,) = find_differences(_text(recorded), _text(sent))
    assert f"messages[0].content: the same words in another order, recorded {recorded!r}, sent {sent!r}" == str(one)
    assert ([], "") == _advice(_text(recorded), _text(sent))


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [
        ("ticket A-é1é2é3é4é5", "ticket A-ü6ü7ü8ü9ü0"),
        ({"a key": {"seed.of[1]": 71993021}}, {"a key": {"seed.of[1]": 40118273}}),
    ],
)
def test_what_no_line_of_configuration_can_name_gets_no_advice(recorded: Any, sent: Any) -> None:
    """Words of letters that no id has, and keys that a path cannot spell."""
    bodies = [_text(one) if isinstance(one, str) else {"messages": [one]} for one in (recorded, sent)]
    assert ([], "") == _advice(*bodies)
