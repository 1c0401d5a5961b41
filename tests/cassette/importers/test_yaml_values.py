"""YAML read as plain values: what each scalar means, what tags become, and what is refused before it does harm."""

import base64
import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.cassette.importers.limits import ImportLimits
from flag_harness.cassette.importers.yaml_values import parse_yaml

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(max_size=40)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=4 * settings().max_examples)
@given(VALUES)
def test_what_pyyaml_writes_is_read_as_it_was(value: Any) -> None:
    """Everything that vcrpy can put into a cassette survives, to the type."""
    assert repr(value) == repr(parse_yaml(yaml.safe_dump(value, sort_keys=False).encode(), ImportLimits()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("2024-05-01", "2024-05-01"),
        ("190:20:30", "190:20:30"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("~", None),
        ("", None),
        ("!!int 12", 12),
        ("!!str 12", "12"),
        ("'12'", "12"),
        ("-1.5e+3", -1500.0),
        (".5", 0.5),
        ("7e10", "7e10"),
        ("1.5e3", "1.5e3"),
        ("-.5", "-.5"),
        ("-.inf", -math.inf),
        ("!!timestamp 2024-05-01", "2024-05-01"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!python/unicode x", "x"),
        ("!!python/tuple [a, 1]", ["a", 1]),
        ("!!python/bytes aGk=", b"hi"),
        ("!!python/object:vcr.request.Request {host: h}", {"host": "h"}),
        ("!!python/object/apply:multidict._multidict.istr [Accept]", "Accept"),
        ("!!python/object/apply:os.system ['true']", "true"),
        ("!!python/object/new:_io.BytesIO {state: !!python/tuple [body, 0, null]}", "body"),
        ("!!python/object/apply:builtins.iter {args: [[a, b]]}", ["a", "b"]),
        ("!!python/object/new:x {kwds: {a: 1}}", {"kwds": {"a": 1}}),
        ("!!python/object/apply:x []", []),
        ("!!python/name:os.system ''", ""),
        ("{<<: {a: 1, b: 1}, b: 2}", {"a": 1, "b": 2}),
        ("{b: 2, <<: {a: 1, b: 1}}", {"a": 1, "b": 2}),
        ("{<<: [{a: 1, b: 1}, {b: 2, c: 2}], c: 3}", {"a": 1, "b": 1, "c": 3}),
        ("{<<: {<<: {a: 1}}}", {"a": 1}),
        ("{'<<': {a: 1}}", {"<<": {"a": 1}}),
        ("{!!str <<: {a: 1}}", {"<<": {"a": 1}}),
        ("[<<, {a: <<}]", ["<<", {"a": "<<"}]),
        ("!!python/object/new:x {args: [a], state: {b: 1}}", "a"),
        ("!!python/object/new:x {args: [], state: [b]}", "b"),
        ("[&x [1], *x]", [[1], [1]]),
    ],
)
def test_a_document_means(text: str, value: Any) -> None:
    """Only JSON's words and numbers are more than text; a tag is data, whatever it names."""
    document = f"- {text}".encode()
    assert [value] == parse_yaml(document, ImportLimits())


def _bomb() -> bytes:
    lines = ["a0: &a0 [" + ",".join(["x"] * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 12)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"a: [", "not YAML: did not find expected node content in line 2"),
        (b"a: b: c", "not YAML: mapping values are not allowed in this context in line 1"),
        (b"- \x00", "not YAML: "),
        (b"\xff\xfe\xff", "not YAML: "),
        (b"[" * 250, "more than 200 levels of nesting in line 1"),
        (b"[" * 1_000_000, "more than 200 levels of nesting in line 1"),
        (b"- " * 1_000_000, "more than 200 levels of nesting in line 1"),
        (_bomb(), "more than 134,217,728 characters once aliases are expanded in line 8"),
        (b"&x [*x]", "alias 'x' does not refer to a complete value in line 1"),
        (b"[*x]", "alias 'x' does not refer to a complete value in line 1"),
        (b"? [a]\n: b", "a mapping's key is itself a list or a mapping in line 3"),
        (b"--- a\n--- b", "more than one YAML document; httpmock writes such, and they are not read"),
        (b"a: 1\n<<: x", "the value of << is not a mapping in line "),
        (b"<<: [{a: 1}, x]", "the value of << is not a mapping in line "),
        (b"!!binary '!'", "!!binary is not base64 in line 1"),
        (b"!!binary \xc3\xa9", "!!binary is not base64 in line 1"),
    ],
)
def test_a_document_is_refused(data: bytes, message: str) -> None:
    """In one line, before anything is expanded: PyYAML's own loader is killed by the deep ones."""
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        parse_yaml(data, ImportLimits())
    assert str(caught.value).startswith(message)


@given(st.binary(max_size=200))
def test_binary_scalars_are_bytes(data: bytes) -> None:
    """Base64 with the line breaks that YAML writers put in."""
    encoded = base64.encodebytes(data).decode().replace("\n", "\n  ")
    assert data == parse_yaml(f"!!binary |\n  {encoded}".encode(), ImportLimits())
