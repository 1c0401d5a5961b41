"""What a recording in vcrpy's format must not hold, and when it is not written."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from flag_harness.cassette import Filters
from flag_harness.cassette.redact.scan import MAX_LISTED_FINDINGS
from flag_harness.errors import CassetteError
from flag_harness.transports import SystemClock, intercept_clients
from flag_harness.vcr import VcrCassette, parse_settings, storage
from flag_harness.vcr.secrets import make_project_request_filter, make_project_response_filter
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request
from tests.loopback import LoopbackServer

KEY = "sk-ant-" + "api03-9f8e7d6c5b4a39281706"


def _send(path: Path, url: str, *, headers: dict[str, str] | None = None, body: str = "", **options: Any) -> Any:
    """Send one request while recording, save, and return the interactions of the file."""
    cassette = VcrCassette(path, parse_settings(options, {}, "new_episodes"))
    with intercept_clients(None, cassette, clock=SystemClock()):
        httpx2.post(url, headers=headers, content=body)
    cassette.save()
    return yaml.safe_load(path.read_text())["interactions"]


def test_credential_headers_are_left_out(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """Of requests and answers, whatever their values look like."""
    headers = {"X-Api-Key": "plain", "Authorization": "Basic eHg6eXk=", "X-Other": "kept"}
    (row,) = _send(tmp_path / "it.yaml", loopback_server.url + "/login", headers=headers)
    assert ["kept"] == row["request"]["headers"]["x-other"]
    assert row["request"]["headers"].keys().isdisjoint({"x-api-key", "authorization"})
    assert row["response"]["headers"].keys().isdisjoint({"set-cookie"})


def test_a_placeholder_for_a_credential_is_kept(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """The suite's own filter has replaced the value."""
    (row,) = _send(
        tmp_path / "it.yaml",
        loopback_server.url,
        headers={"x-api-key": "plain"},
        filter_headers=[("x-api-key", "KEY")],
    )
    assert ["KEY"] == row["request"]["headers"]["x-api-key"]


def test_credentials_that_are_compared_are_refused(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """Left out, they would not match; the message says which filter to add."""
    path = tmp_path / "it.yaml"
    with pytest.raises(CassetteError) as raised:
        _send(path, loopback_server.url, headers={"x-api-key": "plain"}, match_on=["headers"])
    assert (
        f"{path} was not written: match_on compares headers, and x-api-key would be written as sent; add to "
        "vcr_config: filter_headers = ['x-api-key']"
    ) == str(raised.value)
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "headers", "body", "location"),
    [
        ("/header", {"x-name": KEY}, "", "request header x-name"),
        (f"/?a={KEY}", {}, "", "request url"),
        ("/body", {}, f'{{"a": "{KEY}"}}', "request a"),
        ("/leak", {}, "", "response body"),
    ],
)
def test_a_key_is_not_written(
    tmp_path: Path, loopback_server: LoopbackServer, path: str, headers: dict[str, str], body: str, location: str
) -> None:
    """The file stays as it was, and the message says where the key is and how to take it out."""
    file = tmp_path / "it.yaml"
    _send(file, loopback_server.url)
    before = file.read_bytes()
    with pytest.raises(CassetteError) as raised:
        _send(file, loopback_server.url + path, headers=headers, body=body)
    assert before == file.read_bytes()
    message = str(raised.value)
    assert f"{file} was not written, because this still looks like a key" in message
    assert f"interaction 1, {location}" in message
    assert "filter_headers, filter_query_parameters, filter_post_data_parameters" in message
    assert KEY not in message


def test_a_serializer_that_takes_a_key_out_is_enough(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """What is searched is what would be written."""

    class Scrubbing:
        @staticmethod
        def deserialize(text: str) -> Any:
            return yaml.safe_load(text)

        @staticmethod
        def serialize(document: Any) -> str:
            return yaml.safe_dump(document).replace(KEY, "SCRUBBED")

    path = tmp_path / "it.yaml"
    cassette = VcrCassette(path, parse_settings({"serializer": "mine"}, {}, "all", {"mine": Scrubbing}))
    with intercept_clients(None, cassette, clock=SystemClock()):
        httpx2.get(loopback_server.url + "/leak")
    cassette.save()
    assert "SCRUBBED" in path.read_text()


@pytest.mark.parametrize("broken", ["serialize", "deserialize"])
def test_a_serializer_that_fails_writes_nothing(tmp_path: Path, loopback_server: LoopbackServer, broken: str) -> None:
    """The message names the cassette and the serializer's own error."""

    class Broken:
        def deserialize(self, text: str) -> Any:
            raise LookupError("cannot read")

        def serialize(self, document: Any) -> str:
            if broken == "serialize":
                raise LookupError("cannot write")
            return "text"

    path = tmp_path / "it.yaml"
    cassette = VcrCassette(path, parse_settings({"serializer": "mine"}, {}, "all", {"mine": Broken()}))
    with intercept_clients(None, cassette, clock=SystemClock()):
        httpx2.get(loopback_server.url)
    with pytest.raises(CassetteError) as raised:
        cassette.save()
    why = "LookupError: cannot write" if broken == "serialize" else "because it could not be read again: LookupError"
    assert f"{path} was not written" in str(raised.value)
    assert why in str(raised.value)
    assert not path.exists()


def test_json_cannot_hold_bytes(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """The message says which serializer can."""
    with pytest.raises(
        CassetteError, match=r"it\.json was not written: JSON cannot hold it .* use serializer = 'yaml'"
    ):
        _send(tmp_path / "it.json", loopback_server.url + "/binary", serializer="json")


@pytest.mark.parametrize("failure", ["load", "save"])
def test_a_persister_that_fails_is_named(tmp_path: Path, loopback_server: LoopbackServer, failure: str) -> None:
    """With its own error."""

    class CassetteNotFoundError(FileNotFoundError):
        pass

    class Broken:
        def load_cassette(self, path: str, serializer: Any) -> Any:
            raise LookupError("gone") if failure == "load" else CassetteNotFoundError

        def save_cassette(self, path: str, document: Any, serializer: Any) -> None:
            raise LookupError("full")

    path = tmp_path / "it.yaml"
    with pytest.raises(CassetteError) as raised:
        _send(path, loopback_server.url, persister=Broken())
    why = "cannot load it: LookupError: gone" if failure == "load" else "cannot save it: LookupError: full"
    assert f"{path}: the persister {why}" == str(raised.value)


def test_a_hook_that_returns_something_else_is_named(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """It must return a pair, or None."""
    with pytest.raises(CassetteError, match=r"hook _drop must return \(request, response\) or None, not 'neither'"):
        _send(tmp_path / "it.yaml", loopback_server.url, before_save_interaction=_drop)


def _drop(request: Any, response: Any) -> str:
    return "neither"


def test_the_projects_filters_hold_here_too(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """What they take out is neither written nor compared."""
    filters = Filters(headers=("x-name",), query=("user",), patterns=("secret-[a-z]+",))
    options: dict[str, Any] = {
        "before_record_request": make_project_request_filter(filters),
        "before_record_response": make_project_response_filter(filters),
    }
    path = tmp_path / "it.yaml"
    url = loopback_server.url + "/?user="
    _send(path, url + "one", headers={"x-name": "a"}, body="secret-one", **options)
    _send(path, url + "two", headers={"x-name": "b"}, body="secret-two", match_on=["uri", "body", "headers"], **options)
    assert 1 == len(loopback_server.received)
    assert "secret-one" not in path.read_text()
    assert "user=one" not in path.read_text()


def test_a_broken_connection_is_not_recorded(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """The client gets the error, and no file is written."""
    with pytest.raises(httpx2.TransportError):
        _send(tmp_path / "it.yaml", loopback_server.url + "/cut")
    assert not (tmp_path / "it.yaml").exists()


def test_answers_are_written_in_the_order_of_their_requests(tmp_path: Path) -> None:
    """Even if an earlier one ends later; one whose client has gone is left out."""
    path = tmp_path / "it.yaml"
    cassette = VcrCassette(path, parse_settings({}, {}, "new_episodes"))
    edits = [cassette(Request("GET", f"http://one.example/{name}", (), b"")) for name in "abc"]
    pieces = [Head(0.0, 200, ()), Chunk(0.1, b"x"), End(0.2)]
    for edit in (edits[2], edits[0]):
        assert callable(edit)
        given = [list(edit(piece)) for piece in pieces]
        assert [[], [], pieces] == given
    assert callable(edits[1])
    assert [] == list(edits[1](pieces[0]))
    list(edits[1](End(0.1, is_abandoned=True)))
    cassette.save()
    urls = [row["request"]["uri"] for row in yaml.safe_load(path.read_text())["interactions"]]
    assert ["http://one.example/a", "http://one.example/c"] == urls


def test_a_cut_answer_reaches_the_client_cut(tmp_path: Path) -> None:
    """What came before the cut, too."""
    cassette = VcrCassette(tmp_path / "it.yaml", parse_settings({}, {}, "all"))
    edit = cassette(Request("GET", "http://one.example/", (), b""))
    assert callable(edit)
    head, cut = Head(0.0, 200, ()), Cut(0.1, "reset")
    assert ([], [head, cut]) == (list(edit(head)), list(edit(cut)))
    assert 0 == cassette.new_interaction_count


def test_two_writers_keep_each_others_answers(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """Of tests that share a cassette and record at the same time."""
    path = tmp_path / "it.yaml"
    cassettes = [VcrCassette(path, parse_settings({}, {}, "new_episodes")) for _ in range(2)]
    for number, cassette in enumerate(cassettes):
        with intercept_clients(None, cassette, clock=SystemClock()):
            httpx2.get(f"{loopback_server.url}/{number}")
    threads = [threading.Thread(target=cassette.save) for cassette in cassettes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 == len(yaml.safe_load(path.read_text())["interactions"])


def test_what_vcrpy_keeps_beside_the_interactions_stays(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """Its metadata, and the messages of statuses."""
    path = tmp_path / "it.yaml"
    _send(path, loopback_server.url)
    document = yaml.safe_load(path.read_text())
    document["interactions"][0]["response"]["status"]["message"] = "Fine"
    path.write_text(yaml.safe_dump({**document, "metadata": {"seed": 3}}))
    _send(path, loopback_server.url + "/new")
    after = yaml.safe_load(path.read_text())
    assert {"seed": 3} == after["metadata"]
    assert ["Fine", "OK"] == [row["response"]["status"]["message"] for row in after["interactions"]]


def test_only_the_first_keys_are_listed(tmp_path: Path, loopback_server: LoopbackServer) -> None:
    """The rest is counted."""
    keys = [f"{KEY}{number}" for number in range(MAX_LISTED_FINDINGS + 3)]
    with pytest.raises(CassetteError, match=r"\n  \.\.\. and \d+ more\nTake it out in vcr_config"):
        _send(tmp_path / "it.yaml", loopback_server.url, body=json.dumps(keys))


def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, loopback_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, for example."""

    def fail(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_atomically", fail)
    with pytest.raises(CassetteError, match=r"it\.yaml was not written: .*No space left on device"):
        _send(tmp_path / "it.yaml", loopback_server.url)


def test_an_answer_that_a_hook_leaves_without_a_body_is_written(
    tmp_path: Path, loopback_server: LoopbackServer
) -> None:
    """And can be read again."""

    def remove_body(request: Any, response: dict[str, Any]) -> Any:
        return request, {name: value for name, value in response.items() if name != "body"}

    (row,) = _send(tmp_path / "it.yaml", loopback_server.url, before_save_interaction=remove_body)
    assert "body" not in row["response"]


def test_a_persister_may_parse_with_the_serializer_of_the_suite(
    tmp_path: Path, loopback_server: LoopbackServer
) -> None:
    """It gets vcrpy's own one for JSON."""

    class Persister:
        def load_cassette(self, path: str, serializer: Any) -> Any:
            rows = serializer.deserialize('{"interactions": []}')["interactions"]
            return rows, rows

        def save_cassette(self, path: str, document: Any, serializer: Any) -> None:
            Path(path).write_text(serializer.serialize({"interactions": len(document["requests"])}))

    assert 1 == _send(tmp_path / "it.json", loopback_server.url, persister=Persister(), serializer="json")
