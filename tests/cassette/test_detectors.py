"""Detectors of personal data: what they find is masked or refused in every place and encoding, and never quoted."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette import Filters
from flag_harness.cassette.redact.detectors import Detector, PatternFinder
from flag_harness.cassette.redact.privacy import find_personal_data, personal_data_warning, refuse_personal_data
from flag_harness.errors import CassetteError, ConfigError
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.secrets import make_personal_data_refusal_hook
from tests.cassette.test_key_places import ENCODINGS, PLACES

EMAIL = "ada.lovelace@example.org"
FIND_EMAIL = PatternFinder(r"[\w.]+@[\w.]+\.org")


def _find_name(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in re.finditer("Lovelace", text))


@pytest.mark.parametrize("place", PLACES)
def test_masked_data_is_nowhere_in_the_recording(place: str) -> None:
    """Whatever encodes it; and the same request matches again, since masking it twice changes nothing more."""
    for encoding, encode in ENCODINGS.items():
        interaction = PLACES[place](encode(EMAIL))
        filters = Filters(detectors=(Detector("email", FIND_EMAIL),))
        masked = filters.filter_interaction(interaction)
        assert masked != interaction, encoding
        assert masked == filters.filter_interaction(masked), encoding
        assert EMAIL not in repr(masked), encoding
        assert encode(EMAIL) not in repr(masked), encoding


@pytest.mark.parametrize("place", PLACES)
def test_refused_data_is_found_and_never_quoted(place: str) -> None:
    """The error names the file, the interaction, the location and the detector."""
    for encoding, encode in ENCODINGS.items():
        with pytest.raises(CassetteError) as refused:
            refuse_personal_data(
                Path("a.json"), [PLACES[place](encode(EMAIL))], [Detector("email", FIND_EMAIL, "refuse")]
            )
        message = str(refused.value)
        beginning = "a.json was not written, because it would hold personal data:\n  interaction 0, re"
        assert message.startswith(beginning), encoding
        assert ": found by the detector 'email'" in message, encoding
        assert '  email = { ..., action = "mask" }' in message, encoding
        assert "lovelace" not in message, encoding


def test_the_location_is_a_json_path_or_a_delta() -> None:
    """Of the first character to the last."""
    detectors = [Detector("email", FIND_EMAIL, "warn")]
    (sent,) = find_personal_data([PLACES["request"](EMAIL)], detectors, "warn")
    assert "interaction 0, request messages[0].content: found by the detector 'email'" == str(sent)
    (streamed,) = find_personal_data([PLACES["text delta"](EMAIL)], detectors, "warn")
    assert "interaction 0, response delta 0-2 of block 0: found by the detector 'email'" == str(streamed)


def test_a_warning_names_the_file_and_the_location() -> None:
    """The recording stays as it is."""
    detectors = (Detector("email", FIND_EMAIL, "warn"),)
    interaction = PLACES["request"](EMAIL)
    expected = (
        "a.json holds personal data:\n  interaction 0, request messages[0].content: found by the detector 'email'"
    )
    assert expected == personal_data_warning(Path("a.json"), [interaction], detectors)
    assert interaction == Filters(detectors=detectors).filter_interaction(interaction)


def test_a_function_may_return_positions_or_strings() -> None:
    """Every occurrence of a string is masked."""
    for find in (_find_name, lambda _: ["Lovelace"]):
        request = Filters(detectors=(Detector("names", find),)).filter_request(
            PLACES["request"]("Ada Lovelace and Lord Lovelace").request
        )
        assert "Ada REDACTED and Lord REDACTED" == json.loads(request.body)["messages"][0]["content"]


@given(st.text(min_size=1, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_requests_that_differ_only_in_masked_data_are_equal(name: str, before: str, after: str) -> None:
    """So a replay matches whoever the user is."""

    def request(who: str) -> object:
        detector = Detector("name", lambda text: [(text.index("<"), text.index(">") + 1)] if "<" in text else [])
        sent = PLACES["request"](f"{_plain(before)}<{who}>{_plain(after)}").request
        return Filters(detectors=(detector,)).filter_request(sent)

    assert request("Ada") == request(_plain(name))


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z ]", "", text)[:9]


@pytest.mark.parametrize(
    ("find", "problem"),
    [
        (lambda _: 1 / 0, "raised ZeroDivisionError in test_detectors.py, line "),
        (lambda _: [1], "must return (start, end) positions in the text, or matched strings; it returned int"),
        (lambda _: [(0, 99999)], "it returned a position outside of the text"),
    ],
)
def test_a_function_that_fails_is_named_without_the_text(find: object, problem: str) -> None:
    """Its own message may quote what it read."""
    detector = Detector("names", find)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as refused:
        Filters(detectors=(detector,)).filter_request(PLACES["request"](EMAIL).request)
    assert "[tool.flag-harness.privacy] names: the function " in str(refused.value)
    assert problem in str(refused.value)
    assert EMAIL not in str(refused.value)


def test_words_that_happen_to_decode_as_base64_are_not_searched() -> None:
    """A detector of digits finds none in the bytes that `authentication` stands for."""
    seen: list[str] = []
    detector = Detector("any", lambda text: seen.append(text) or [])
    Filters(detectors=(detector,)).filter_request(PLACES["request"]("authentication internationalization").request)
    assert all(text.isprintable() for text in seen)


def test_an_unknown_action_is_refused() -> None:
    """With those that exist."""
    with pytest.raises(ConfigError, match=r"detector 'a': action = 'hide' must be one of mask, refuse, warn"):
        Detector("a", FIND_EMAIL, "hide")  # type: ignore[arg-type]


def test_a_cassette_of_vcrpy_is_refused_too() -> None:
    """When it is saved; other interactions are saved as they are."""
    save = make_personal_data_refusal_hook(Filters(detectors=(Detector("email", FIND_EMAIL, "refuse"),)))
    response = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": b"{}"}}
    plain = VcrRequest("POST", "https://example.org/", b"{}", {})
    assert (plain, response) == save(plain, response)
    with pytest.raises(CassetteError, match="request a: found by the detector 'email'"):
        save(VcrRequest("POST", "https://example.org/", json.dumps({"a": EMAIL}).encode(), {}), response)
