"""Faults in words, as the command line takes them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness import faults
from flag_harness.faults import Fault, FaultError, parse_fault
from flag_harness.faults.kinds.stream_errors import MESSAGE_BY_ERROR_TYPE

POINTS = st.sampled_from(faults.FAULT_KINDS["stream_error"].points)
NUMBERS = st.integers(1, 10**6)
TEXTS = st.text(min_size=1) | st.sampled_from(
    ["none", "true", "5", "a, b=c", 'say "no"', '"', "\\", " a ", "é: x", "1|2"]
)
HEADERS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)


def _possible(when: dict[str, Any]) -> bool:
    """Whether a request can be due."""
    numbers = when.get("on", when.get("every", 1))
    numbers = numbers if isinstance(numbers, list) else [numbers]
    return any(one % when.get("every", 1) == 0 and one <= when.get("until", one) for one in numbers)


WHENS = st.fixed_dictionaries(
    {},
    optional={
        "on": NUMBERS | st.lists(NUMBERS, min_size=2, unique=True),
        "every": NUMBERS,
        "until": NUMBERS,
        "probability": st.floats(0.001, 1),
        "seed": st.integers(0, 10**6),
        "combination": st.sampled_from(["off", "streaming+prompt_cache", ["off", "streaming"]]),
    },
).filter(_possible)
OWN = st.one_of(
    st.tuples(st.just(faults.overloaded), st.fixed_dictionaries({}, optional={"retry_after": NUMBERS})),
    st.tuples(
        st.just(faults.stream_error), st.fixed_dictionaries({"at": POINTS}, optional={"padding": st.integers(0, 15)})
    ),
    st.tuples(st.just(faults.reset), st.fixed_dictionaries({"torn": st.booleans()})),
    st.tuples(st.just(faults.stall), st.fixed_dictionaries({"seconds": st.floats(0, 1e6)})),
    st.tuples(st.just(faults.bad_request), st.fixed_dictionaries({"message": TEXTS})),
    st.tuples(
        st.just(faults.overloaded), st.fixed_dictionaries({"retry_after": HEADERS | st.floats(0, 1e9) | st.datetimes()})
    ),
    st.tuples(
        st.just(faults.rate_limited), st.fixed_dictionaries({"should_retry": st.sampled_from([True, False, None])})
    ),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("overloaded", faults.overloaded()),
        ("overloaded:on=2", faults.overloaded(on=2)),
        (" overloaded : on = 6 , every = 3 ", faults.overloaded(on=6, every=3)),
        ("overloaded:on=1|3", faults.overloaded(on=[1, 3])),
        ("overloaded:probability=0.1,seed=7", faults.overloaded(probability=0.1, seed=7)),
        ("overloaded:combination=off|streaming", faults.overloaded(combination=["off", "streaming"])),
        (
            "stream_error:kind=rate_limit_error,at=mid_partial_json,on=1",
            faults.stream_error(kind="rate_limit_error", at="mid_partial_json", on=1),
        ),
        ("rate_limited:retry_after=none,should_retry=FALSE", faults.rate_limited(retry_after=None, should_retry=False)),
        (
            "rate_limited:retry_after=Wed, 21 Oct 2026 07:28:00 GMT,on=1",
            faults.rate_limited(retry_after="Wed, 21 Oct 2026 07:28:00 GMT", on=1),
        ),
        ("bad_request:message=a, b: c=d", faults.bad_request(message="a, b: c=d")),
        (
            'bad_request:on=1 , message = "on=2, \\"x\\\\" , seed=3',
            faults.bad_request(on=1, message='on=2, "x\\', seed=3),
        ),
        ('bad_request:message=say "no"', faults.bad_request(message='say "no"')),
        ('overloaded:retry_after="5"', faults.overloaded(retry_after="5")),
        ("read_timeout:seconds=5,at=inside_body", faults.read_timeout(seconds=5.0, at="inside_body")),
    ],
)
def test_a_text_spells_a_fault(text: str, expected: Fault) -> None:
    """Names, values, lists; commas and colons inside a value."""
    assert expected == parse_fault(text)


@given(OWN, WHENS)
def test_a_fault_spells_itself(own: tuple[Any, dict[str, Any]], when: dict[str, Any]) -> None:
    """What it prints, it can be made of again."""
    make, arguments = own
    fault = make(**arguments, **when)
    assert fault == parse_fault(str(fault))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "overload:on=2",
            "no fault is called 'overload'; did you mean 'overloaded'?; there are: " + ", ".join(faults.FAULT_KINDS),
        ),
        ("zzz", "no fault is called 'zzz'; there are: " + ", ".join(faults.FAULT_KINDS)),
        ("overloaded:on", "overloaded: 'on' must be spelled argument=value"),
        ("overloaded:on=1,on=2", "overloaded: on is given twice"),
        ("overloaded:=2", "overloaded: '=2' must be spelled argument=value"),
        ('bad_request:message="\\x"', """bad_request: message='"\\\\x"': must be a text, in quotes as in JSON"""),
        (
            "overloaded:on=5,until=3",
            "overloaded: on=5, until=3: no request is all of that, so it can never be due",
        ),
        ("overloaded:on=two", "overloaded: on='two': must be a whole number"),
        ("overloaded:on=0", "overloaded: on=0: must be a whole number from 1 up, or a collection of them"),
        ("overloaded:probability=2", "overloaded: probability=2.0: must be a number above 0 and up to 1"),
        ("overloaded:when=always", "overloaded: when='always': must be a Python function, which a text cannot hold"),
        ("reset:torn=perhaps", "reset: torn='perhaps': must be true or false"),
        ("stall:seconds=long", "stall: seconds='long': must be a number"),
        ("unauthorized:should_retry=1", "unauthorized: should_retry='1': must be true or false or none"),
        (
            "clean_end:att=inside_text",
            "clean_end: no argument 'att'; it takes at, occurrence, torn, on, every, until, probability, seed, path, "
            "when, combination; did you mean 'at'?",
        ),
    ],
)
def test_a_text_that_spells_nothing_is_refused(text: str, message: str) -> None:
    """The message says what is wrong and what is near."""
    with pytest.raises(FaultError) as caught:
        parse_fault(text)
    assert message == str(caught.value)


POINT_LIST = ", ".join(faults.FAULT_KINDS["stream_error"].points)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stream_error:at=inside_tex", f"at='inside_tex': must be one of {POINT_LIST}; did you mean 'inside_text'?"),
        ("stream_error:at=inside_body", f"at='inside_body': must be one of {POINT_LIST}; did you mean 'inside_text'?"),
        ("stream_error:occurrence=0", "occurrence=0: must be a whole number from 1 up"),
        ("stream_error:padding=16", "padding=16: must be a whole number from 0 to 15"),
        ("stream_error:padding=-1", "padding=-1: must be a whole number from 0 up"),
        ("stream_error:message=", "message='': must be a text that is not empty"),
        ("stall:seconds=-1", "seconds=-1.0: must be a number of seconds from 0 up"),
        ("stall:seconds=nan", "seconds=nan: must be a number of seconds from 0 up"),
        ("ping_only:then=stop", "then='stop': must be one of end, reset, resume"),
        ("ping_only:count=0", "count=0: must be a whole number from 1 up"),
        ("trickle:size=0", "size=0: must be a whole number from 1 up"),
        ("line_ends:kind=lf", "kind='lf': must be one of cr, crlf; did you mean 'crlf'?"),
        ("missing_usage:where=x", "where='x': must be one of message_start, message_delta, everywhere"),
        ("wrong_content_type:content_type=", "content_type='': must be a text that is not empty"),
        ("refused_keyword:keyword=", "keyword='': must be a text that is not empty"),
        ("rate_limited:retry_after_ms=-1", "retry_after_ms=-1: must be a whole number from 0 up"),
        (
            "rate_limited:retry_after=-1",
            "retry_after=-1: must be seconds from 0 up, a datetime, the header's text, or none",
        ),
        (
            "unknown_delta:at=between_blocks",
            "at='between_blocks': must be one of after_block_start, inside_text, inside_citations, inside_thinking, "
            "between_thinking_and_signature, mid_partial_json",
        ),
    ],
)
def test_each_fault_checks_its_own_arguments(text: str, message: str) -> None:
    """Which argument, which value, which rule; the fault's name first."""
    with pytest.raises(FaultError) as caught:
        parse_fault(text)
    assert f"{text.partition(':')[0]}: {message}" == str(caught.value)


LINE = "must be a text that a header can hold: printable ASCII, on one line"


@pytest.mark.parametrize(
    ("make", "given", "message"),
    [
        (faults.overloaded, {"should_retry": "yes"}, "should_retry='yes': must be true, false or none"),
        (faults.stream_error, {"kind": ["x"]}, f"kind=['x']: must be one of {', '.join(MESSAGE_BY_ERROR_TYPE)}"),
        (faults.overloaded, {"retry_after": "a\r\nx: y"}, rf"retry_after='a\r\nx: y': {LINE}"),
        (faults.overloaded, {"retry_after": "später"}, f"retry_after='später': {LINE}"),
        (faults.wrong_content_type, {"content_type": "a\nb"}, rf"content_type='a\nb': {LINE}"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(make: Any, given: dict[str, Any], message: str) -> None:
    """What a text cannot spell, Python can."""
    with pytest.raises(FaultError) as caught:
        make(**given)
    assert f"{make.__name__}: {message}" == str(caught.value)
