"""The report of a miss, in full."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, Replay
from flag_harness.cassette.match import miss
from flag_harness.cassette.match.difference import Difference
from flag_harness.cassette.match.miss import MAX_RANKED_REQUESTS, Miss, MissReporter, request_differences
from flag_harness.errors import CassetteMiss
from flag_harness.wire.timeline import End, Headers, Request

CHANGED_BY = {"max_tokens": "extended_output", "system[0].cache_control": "prompt_cache", "stream": "streaming"}
METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")
PATH = Path("recordings/x.json")
COMMAND = "pytest cases -k x --record-mode=rewrite"
BODY = {
    "model": "m",
    "max_tokens": 4096,
    "system": [{"type": "text", "text": "A careful assistant, for commands."}],
    "messages": [{"role": "user", "content": "hello"}],
}


def _interaction(
    body: object, *headers: tuple[str, str], path: str = "/v1/messages", method: str = "POST"
) -> Interaction:
    kept: Headers = headers
    return Interaction(Request(method, path, kept, json.dumps(body).encode()), (End(0.0),))


def _miss(asked: Interaction, cassette: Cassette, unplayed: tuple[int, ...], command: str = COMMAND) -> Miss:
    return MissReporter(cassette, cassette.index, CHANGED_BY.get, command).report_miss(asked, unplayed)


def _message(asked: Interaction, *recorded: Interaction, unplayed: tuple[int, ...] | None = None) -> str:
    left = tuple(range(len(recorded))) if unplayed is None else unplayed
    return _miss(asked, Cassette(METADATA, recorded, PATH), left).message


def test_the_nearest_request_is_shown_with_paths_values_flags_and_the_command() -> None:
    """Nearest is the one with the fewest places that differ."""
    far = _interaction({"other": 1, "things": 2, "and": 3, "more": 4})
    sent = BODY | {"max_tokens": 16384, "stream": True}
    sent["system"] = [{"type": "text", "text": "A careful helper, for commands.", "cache_control": {}}]
    assert """POST /v1/messages is not in recordings/x.json (2 interactions).
The nearest is interaction 1; it differs in:
  max_tokens: recorded 4096, sent 16384   [the flag extended_output changes this]
  system[0].text: recorded 'A careful assistant, for commands.', sent 'A careful helper, for commands.'
  system[0].cache_control: recorded nothing, sent {}   [the flag prompt_cache changes this]
  stream: recorded nothing, sent True   [the flag streaming changes this]
If nobody meant this change, it is a bug in the code
To record it: pytest cases -k x --record-mode=rewrite""" == _message(_interaction(sent), far, _interaction(BODY))


def test_what_has_been_played_is_no_candidate_while_something_is_left() -> None:
    """The next one in the cassette is what the test should have asked for."""
    asked = _interaction({"n": 1, "a": 0, "b": 0})
    near, far = _interaction({"n": 1, "a": 0}), _interaction({"n": 2, "a": 5})
    assert "interaction 1;" in _message(asked, near, far, unplayed=(1,))
    assert "interaction 0;" in _message(asked, near, far, unplayed=())


def test_a_request_that_was_recorded_too_few_times_is_told_so() -> None:
    """It differs in nothing."""
    one = _interaction(BODY)
    assert """POST /v1/messages is not in recordings/x.json (1 interaction).
It was recorded 1 time, and each answer has been played.
If nobody meant this change, it is a bug in the code
To record it: pytest cases -k x --record-mode=rewrite""" == _message(one, one, unplayed=())
    assert """POST /v1/messages is not in recordings/x.json (3 interactions).
It was recorded 2 times, and each answer has been played.
If nobody meant this change, it is a bug in the code
To record it: pytest cases -k x --record-mode=rewrite""" == _message(one, one, _interaction({}), one, unplayed=(1,))


@pytest.mark.parametrize(("folder", "shown"), [("", "recordings/x.json"), ("elsewhere", "{root}/recordings/x.json")])
def test_a_cassette_is_named_as_the_user_would_type_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, shown: str
) -> None:
    """Relative to the current folder if it lies below it."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / folder)
    cassette = Cassette(METADATA, (), tmp_path / "recordings" / "x.json")
    message = _miss(_interaction({"n": 2}), cassette, ()).message
    assert message.startswith(f"POST /v1/messages is not in {shown.format(root=tmp_path)} (0 interactions).")


def test_an_empty_cassette_has_no_nearest() -> None:
    """And where nobody says how to record, no command is invented."""
    found = _miss(_interaction(BODY), Cassette(METADATA, ()), (), "")
    assert (
        Miss(
            _interaction(BODY),
            None,
            (),
            "POST /v1/messages is not in the cassette (0 interactions).",
            "nothing is recorded",
        )
        == found
    )


def test_many_differences_are_counted() -> None:
    """Eight are listed."""
    recorded, sent = ({f"k{n}": n + shift for n in range(10)} for shift in (0, 1))
    lines = _message(_interaction(sent), _interaction(recorded)).splitlines()
    assert [f"  k{n}: recorded {n}, sent {n + 1}" for n in range(8)] == lines[2:10]
    assert "  ... and 2 more" == lines[10]
    eight = {key: recorded[key] for key in list(recorded)[:8]}
    assert "more" not in _message(_interaction({key: sent[key] for key in eight}), _interaction(eight))


def test_method_path_and_betas_are_named_too() -> None:
    """Before the places of the body."""
    recorded = _interaction({"n": 1}, ("anthropic-beta", "b,a"))
    asked = _interaction({"n": 2}, path="/v1/messages?n=1", method="PUT")
    assert [
        Difference("method", "POST", "PUT"),
        Difference("path", "/v1/messages", "/v1/messages?n=1"),
        Difference("anthropic-beta", ("a", "b"), ()),
        Difference("n", 1, 2),
    ] == request_differences(recorded, asked)


def test_of_requests_that_are_as_near_that_of_the_same_test_is_named() -> None:
    """Where tests share a cassette, and however many others there are."""
    body = {**BODY, "system": "old"}
    others = [replace(_interaction(body), case="other") for _ in range(MAX_RANKED_REQUESTS)]
    shared = Cassette(METADATA, (*others, replace(_interaction(body), case="this")), PATH)
    for case, place in (("this", MAX_RANKED_REQUESTS), ("other", 0)):
        player = Replay(shared, case=case)
        with pytest.raises(CassetteMiss, match=f"The nearest is interaction {place};"):
            player(_interaction({**BODY, "system": "new"}).request)


def test_a_miss_among_long_conversations_takes_less_than_a_second() -> None:
    """500 of 200 messages, none of which is the same."""
    messages = [{"role": "user", "content": f"{number} " + "many words " * 20} for number in range(200)]
    recorded = [_interaction({**BODY, "n": number, "messages": messages}) for number in range(500)]
    cassette = Cassette(METADATA, tuple(recorded), PATH)
    changed = [{**message, "content": f"{message['content']}more"} for message in messages]
    assert cassette.index
    started = time.process_time()
    found = _miss(_interaction({**BODY, "n": 77, "messages": changed}), cassette, tuple(range(500)))
    assert time.process_time() - started < 1.0
    assert (77, 200) == (found.nearest_index, len(found.differences))


def test_texts_too_long_to_compare_are_ranked_by_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest of two prompts of which no word is the same."""
    monkeypatch.setattr(miss, "MAX_COMPARED_LENGTH", 100)
    bodies = [{**BODY, "system": "a" * length} for length in (250, 300)]
    message = _message(_interaction({**BODY, "system": "b" * 299}), *map(_interaction, bodies))
    assert "The nearest is interaction 1;" in message


@pytest.mark.parametrize(
    ("recorded", "is_reported"),
    [((), True), (({"max_tokens": 1},), True), (({"max_tokens": -1},), False)],
    ids=["nothing is recorded", "the nearest is legal", "the nearest is refused too"],
)
def test_a_request_that_the_api_would_refuse_is_reported_as_such(
    recorded: tuple[object, ...], is_reported: bool
) -> None:
    """Unless the simulator refuses what was recorded: then it does not know all that the API accepts."""

    def find_refusal(request: Request) -> str | None:
        return "must be positive" if json.loads(request.body)["max_tokens"] < 1 else None

    cassette = Cassette(METADATA, tuple(map(_interaction, recorded)), PATH)
    reporter = MissReporter(cassette, cassette.index, CHANGED_BY.get, COMMAND, find_refusal)
    lines = reporter.report_miss(_interaction({"max_tokens": 0}), range(len(recorded))).message.splitlines()
    assert is_reported == ("The API would refuse this request (as the simulator does): must be positive" in lines)


def test_no_normaliser_is_suggested_for_what_a_flag_changes() -> None:
    """It would hide what the flag does; other parts that differ at random are still named."""
    recorded = _interaction({"system": "Answer in 50 words.", "user": "c1f2a3b4-0000-4000-8000-000000000001"})
    sent = _interaction({"system": "Answer in 90 words.", "user": "d1f2a3b4-0000-4000-8000-000000000002"})
    cassette = Cassette(METADATA, (recorded,), PATH)
    reporter = MissReporter(
        cassette, cassette.index, lambda path: None, "", depends_on_flag=lambda path: path == "system"
    )
    (line,) = reporter.report_miss(sent, (0,)).normaliser_lines[1:]
    assert "Answer" not in line
    assert "in 50" not in line
    assert line.startswith("patterns = ['[0-9a-fA-F]{8}-")
