"""Recording, compared with vcrpy on the same requests: what is sent, what is answered, and what is written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from flag_harness.errors import CassetteMiss
from flag_harness.transports import SystemClock, intercept_clients
from flag_harness.vcr import VcrCassette, VcrRequest, parse_settings
from tests.loopback import LoopbackServer

vcr = pytest.importorskip("vcr")

Send = Callable[[httpx2.Client], list[str]]


def _record_here(path: Path, send: Send, **options: Any) -> list[str]:
    cassette = VcrCassette(path, parse_settings(options, {}, "once"))
    with intercept_clients(None, cassette, clock=SystemClock()), httpx2.Client() as client:
        answers = send(client)
    cassette.save()
    return answers


def _record_with_vcrpy(path: Path, send: Send, **options: Any) -> list[str]:
    with vcr.use_cassette(str(path), **options), httpx2.Client() as client:
        return send(client)


def _sender(url: str, *paths: str) -> Send:
    """Return a function that gets each path, and returns each answer, or the word `miss`."""

    def send(client: httpx2.Client) -> list[str]:
        answers = []
        for path in paths:
            try:
                answers.append(client.post(url + path, content=f"sent to {path}", headers={"X-Name": "one"}).text)
            except (CassetteMiss, vcr.errors.CannotOverwriteExistingCassetteException):
                answers.append("miss")
        return answers

    return send


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_the_file_is_vcrpys_byte_for_byte(tmp_path: Path, loopback_server: LoopbackServer, serializer: str) -> None:
    """Texts, line breaks, repeated requests and the order of keys included."""
    paths = ["/one", "/two?a=1&b=2", "/one", *(["/binary"] if serializer == "yaml" else [])]
    for name, record in (("ours", _record_here), ("theirs", _record_with_vcrpy)):
        loopback_server.received.clear()
        record(tmp_path / name, _sender(loopback_server.url, *paths), serializer=serializer)
    assert (tmp_path / "theirs").read_bytes() == (tmp_path / "ours").read_bytes()


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("has_cassette", [False, True])
@pytest.mark.parametrize("mode", ["none", "once", "new_episodes", "all"])
def test_each_record_mode_does_what_vcrpys_does(
    tmp_path: Path, loopback_server: LoopbackServer, mode: str, has_cassette: bool, repeats: bool
) -> None:
    """The same requests reach the server, the same answers come back, and the same file is left."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    if has_cassette:
        _record_with_vcrpy(ours, _sender(loopback_server.url, "/one", "/two", "/one"))
        shutil.copy(ours, theirs)
    outcomes = []
    for path, record in ((ours, _record_here), (theirs, _record_with_vcrpy)):
        loopback_server.received.clear()
        send = _sender(loopback_server.url, "/one", "/one", "/one", "/new", "/new", "/two")
        answers = record(path, send, record_mode=mode, allow_playback_repeats=repeats)
        outcomes.append((answers, list(loopback_server.received), path.read_bytes() if path.exists() else None))
    assert outcomes[1] == outcomes[0]


def test_vcrpy_replays_what_is_recorded_here(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """Without another request to the server."""
    send = _sender(loopback_server.url, "/one", "/two", "/one", "/binary")
    answers = _record_here(tmp_path / "it.yaml", send)
    assert answers == _record_with_vcrpy(tmp_path / "it.yaml", send, record_mode="none")
    assert 4 == len(loopback_server.received)


def test_what_vcrpy_records_is_replayed_here(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """Without another request to the server."""
    send = _sender(loopback_server.url, "/one", "/two", "/one", "/binary")
    answers = _record_with_vcrpy(tmp_path / "it.yaml", send)
    assert answers == _record_here(tmp_path / "it.yaml", send, record_mode="none")
    assert 4 == len(loopback_server.received)


def _rename(request: Any, response: Any) -> Any:
    request.uri = request.uri.replace("/one", "/renamed")
    return request, response


FILTERS: dict[str, dict[str, Any]] = {
    "headers": {"filter_headers": [("x-name", "NAME"), "user-agent"]},
    "query": {"filter_query_parameters": ["key"]},
    "body": {"filter_post_data_parameters": ["sent"]},
    "request": {"before_record_request": lambda request: None if request.path == "/two" else request},
    "hosts": {"ignore_hosts": ["127.0.0.1"]},
    "response": {
        "before_record_response": lambda response: {**response, "body": {"string": b"changed"}, "headers": {}}
    },
    "hooks": {
        "before_save_interaction": _rename,
        "after_load_interaction": lambda request, response: (request, response),
    },
    "sensitive": {"filter_sensitive_data": {"<WHERE>": "/one", "<ONE>": lambda request, response: "sent"}},
    "decoded": {"decode_compressed_response": True},
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_leave_the_file_that_they_leave_there(
    tmp_path: Path, loopback_server: LoopbackServer, name: str
) -> None:
    """And the answers of a replay are the same, too."""
    send = _sender(loopback_server.url, "/one?key=1&a=2", "/two?a=1")
    outcomes = []
    for file, record in (("ours", _record_here), ("theirs", _record_with_vcrpy)):
        loopback_server.received.clear()
        recorded = record(tmp_path / file, send, **FILTERS[name])
        replayed = record(tmp_path / file, send, **FILTERS[name])
        path = tmp_path / file
        outcomes.append((recorded, replayed, loopback_server.received[:], path.read_bytes() if path.exists() else None))
    assert outcomes[1] == outcomes[0]


def test_a_persister_of_vcrpy_saves_and_loads(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """One that keeps cassettes elsewhere, and calls vcrpy's own functions."""
    from vcr.persisters.filesystem import FilesystemPersister

    class Elsewhere(FilesystemPersister):
        @classmethod
        def load_cassette(cls, cassette_path: Any, serializer: Any) -> Any:
            return super().load_cassette(f"{cassette_path}.kept", serializer)

        @staticmethod
        def save_cassette(cassette_path: Any, cassette_dict: Any, serializer: Any) -> None:
            FilesystemPersister.save_cassette(f"{cassette_path}.kept", cassette_dict, serializer)

    send = _sender(loopback_server.url, "/one", "/two")
    answers = _record_here(tmp_path / "it.yaml", send, persister=Elsewhere)
    assert ["it.yaml.kept"] == [path.name for path in tmp_path.iterdir()]
    assert answers == _record_here(tmp_path / "it.yaml", send, persister=Elsewhere)
    assert answers == _record_with_vcrpy(tmp_path / "it.yaml.kept", send, record_mode="none")
    assert 2 == len(loopback_server.received)


def test_a_request_is_kept_as_vcrpy_keeps_it() -> None:
    """The persisters of suites call vcrpy's own function for it."""
    arguments = ("POST", "https://one.example/", b"body", {"X-A": "1", "x-b": "2"})
    assert vcr.request.Request(*arguments)._to_dict() == VcrRequest(*arguments)._to_dict()
