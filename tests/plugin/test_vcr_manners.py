"""Suites in the manner of public ones, unchanged: recorded here and replayed there, and the other way round."""

import importlib.util
from types import SimpleNamespace

import pytest
from pluggy import PluginManager

from flag_harness.config import Config
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.vcr import options
from flag_harness.plugin.vcr.config import convert_to_stand_in
from tests.loopback import LoopbackServer

OTHERS = ("-p", "no:cassetter", "-p", "no:cacheprovider", "-p", "no:xdist")
RECORDING, PYTEST_VCR = "pytest-recording", "pytest-vcr"
PLUGINS = {
    RECORDING: ("pytest_recording", "recording", "--record-mode"),
    PYTEST_VCR: ("pytest_vcr", "vcr", "--vcr-record"),
}

PARSED_BODIES = """
import json
import pathlib
import types

import pytest
import yaml

def deserialize(text):
    document = yaml.safe_load(text)
    for interaction in document["interactions"]:
        for side, data in interaction.items():
            if (parsed := data.pop("parsed_body", None)) is not None:
                data["body"] = {"string": json.dumps(parsed)} if side == "response" else json.dumps(parsed)
    return document

def serialize(document):
    for interaction in document["interactions"]:
        for side, data in interaction.items():
            data["headers"] = {name: value for name, value in data["headers"].items() if not name.startswith("x-")}
            if side == "request":
                data["parsed_body"] = json.loads(data.pop("body"))
    return yaml.safe_dump(document, allow_unicode=True, width=120)

def pytest_recording_configure(config, vcr):
    vcr.register_serializer("yaml", types.SimpleNamespace(deserialize=deserialize, serialize=serialize))

    def same_method(sent, kept):
        if sent.method.upper() != kept.method.upper():
            raise AssertionError(f"{sent.method} != {kept.method}")

    vcr.register_matcher("method", same_method)

    def scrub(request):
        return None if request.path == "/token" else request

    vcr.before_record_request = scrub

@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": ["authorization", "x-api-key", "cookie"], "decode_compressed_response": True}

@pytest.fixture(autouse=True)
def no_half_played_cassette(vcr):
    yield
    if vcr is not None and vcr.record_mode == "none" and not vcr.all_played:
        unused = [index for index in range(len(vcr)) if vcr.play_counts.get(index, 0) == 0]
        pytest.fail(f"{pathlib.Path(vcr._path).name}: {unused}")
"""

COMPRESSED_FILES = """
import gzip
import pathlib

import pytest
import yaml
from vcr import VCR
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.request import Request

class GzipSerializer:
    @staticmethod
    def serialize(document):
        rows = [
            {"method": one.method, "uri": one.uri, "body": one.body, "headers": dict(one.headers)}
            for one in document["requests"]
        ]
        return gzip.compress(yaml.safe_dump({"requests": rows, "responses": document["responses"]}).encode())

    @staticmethod
    def deserialize(data):
        document = yaml.safe_load(gzip.decompress(data))
        return [Request(**one) for one in document["requests"]], document["responses"]

class GzipPersister:
    @classmethod
    def load_cassette(cls, path, serializer):
        if not pathlib.Path(path).is_file():
            raise CassetteNotFoundError(path)
        return serializer.deserialize(pathlib.Path(path).read_bytes())

    @staticmethod
    def save_cassette(path, document, serializer):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(serializer.serialize(document))

def pytest_recording_configure(config, vcr):
    vcr.register_persister(GzipPersister())
    vcr.register_serializer("yaml.gz", GzipSerializer())

def redact(message):
    headers = message["headers"] if isinstance(message, dict) else message.headers
    for name in headers:
        headers[name] = "**REDACTED**"
    return message

@pytest.fixture(scope="session")
def vcr_config():
    return {
        "before_record_request": redact,
        "before_record_response": redact,
        "serializer": "yaml.gz",
        "path_transformer": VCR.ensure_suffix(".yaml.gz"),
    }
"""

LISTS_AS_HEADERS = """
import pytest

def filter_request(request):
    for name in ("authorization", "X-Api-Key", "User-Agent"):
        if name in request.headers:
            request.headers[name] = ["FILTERED"]
    request.method = request.method.upper()
    return request

def filter_response(response):
    if response["status"]["code"] >= 400 or not response["body"]["string"]:
        return None
    for name in [name for name in response["headers"] if name.lower() == "content-encoding"]:
        response["headers"].pop(name)
    return response

@pytest.fixture(scope="module")
def vcr_cassette_dir(request):
    return str(request.path.parent / "cassettes" / "flat")

@pytest.fixture(scope="module")
def vcr_config(vcr_cassette_dir):
    return {
        "cassette_library_dir": vcr_cassette_dir,
        "record_mode": "once",
        "before_record_request": filter_request,
        "before_record_response": filter_response,
        "filter_query_parameters": ["key"],
        "match_on": ["method", "scheme", "host", "port", "path"],
    }
"""

SCRUBBED_RESPONSES = """
import pytest

SENSITIVE = ["authorization", "cookie", "set-cookie", "x-api-key"]

def scrub(response):
    response["headers"] = {name: value for name, value in response["headers"].items() if name.lower() not in SENSITIVE}
    return response

@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": SENSITIVE, "before_record_response": scrub}
"""

CLEARED_HEADERS = """
import pytest

@pytest.fixture
def vcr_config():
    return {
        "before_record_request": lambda request: request.headers.clear() or request,
        "before_record_response": lambda response: {**response, "headers": {}},
        "decode_compressed_response": True,
    }
"""

ONE_HEADER = """
import pytest

@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": ["x-api-key"]}
"""

ENVIRONMENT_DECIDES = """
import os

import pytest

@pytest.fixture(scope="session")
def vcr_config():
    return {
        "filter_headers": ["authorization", "x-api-key", "user-agent"],
        "record_mode": "none" if os.environ.get("SUITE_IN_CI") else "once",
        "match_on": ["uri", "method", "body"],
        "decode_compressed_response": True,
    }
"""

SANITISED_COPIES = """
from copy import deepcopy

import pytest

def sanitize(request):
    request = deepcopy(request)
    for name in request.headers:
        if name.lower() in ("authorization", "x-api-key"):
            request.headers[name] = "<filtered>"
    return request

@pytest.fixture(scope="session")
def vcr_config():
    return {"record_mode": "once", "match_on": ["method", "uri", "body"], "before_record_request": sanitize}
"""

ITS_OWN_VCR = """
import pytest
from vcr import VCR
from vcr.serializers import yamlserializer

@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": ["x-api-key"], "serializer": "mine", "path_transformer": VCR.ensure_suffix(".mine")}

@pytest.fixture(scope="module")
def vcr(vcr_config, vcr_cassette_dir):
    vcr = VCR(cassette_library_dir=vcr_cassette_dir, **vcr_config)
    vcr.register_serializer("mine", yamlserializer)
    vcr.register_matcher("mine", lambda sent, kept: sent.path == kept.path)
    vcr.match_on = ["mine", "method"]
    return vcr
"""

JSON_IN_A_FLAT_FOLDER = """
import pytest

@pytest.fixture(scope="module")
def vcr_config():
    return {
        "serializer": "json",
        "path_transformer": lambda path: path + ".json",
        "filter_headers": [("authorization", "DUMMY"), ("x-api-key", "DUMMY")],
        "filter_post_data_parameters": [("model", "MODEL")],
    }

@pytest.fixture
def vcr_cassette_name(request):
    return f"{request.module.__name__}.{request.node.name}"
"""

MANNERS = {
    "parsed-bodies": (RECORDING, PARSED_BODIES),
    "compressed-files": (RECORDING, COMPRESSED_FILES),
    "lists-as-headers": (RECORDING, LISTS_AS_HEADERS),
    "scrubbed-responses": (RECORDING, SCRUBBED_RESPONSES),
    "cleared-headers": (RECORDING, CLEARED_HEADERS),
    "one-header": (RECORDING, ONE_HEADER),
    "environment-decides": (PYTEST_VCR, ENVIRONMENT_DECIDES),
    "sanitised-copies": (PYTEST_VCR, SANITISED_COPIES),
    "its-own-vcr": (PYTEST_VCR, ITS_OWN_VCR),
    "json-in-a-flat-folder": (PYTEST_VCR, JSON_IN_A_FLAT_FOLDER),
}
"""Ten suites: the plugin that each was written for, and its conftest.py."""

DIRECTIONS = ("ours-ours", "ours-theirs", "theirs-ours")


def _arguments(plugin: str, player: str) -> tuple[str, ...]:
    """Return the options with which one of two installed plugins plays the marks."""
    other = "vcr" if plugin == RECORDING else "recording"
    blocked = PLUGINS[plugin][1] if player == "ours" else "flag_harness"
    return ("-p", f"no:{other}", "-p", f"no:{blocked}", *OTHERS)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("manner", MANNERS)
def test_a_suite_records_and_replays(
    pytester: pytest.Pytester, loopback_server: LoopbackServer, manner: str, direction: str
) -> None:
    """What one of the two has recorded, the other replays, without another request to the server."""
    plugin, conftest = MANNERS[manner]
    pytest.importorskip("vcr")
    if "theirs" in direction and importlib.util.find_spec(PLUGINS[plugin][0]) is None:
        pytest.skip(f"{plugin} is not installed here; `nox -s moving_in` compares with it")
    pytester.makepyprojecttoml(f"[tool.flag-harness]\nvcr_marks = '{plugin}'\n")
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        test_it=f"""
        import httpx2
        import pytest

        @pytest.mark.vcr
        def test_messages():
            with httpx2.Client(headers={{"x-api-key": "none", "authorization": "Bearer none"}}) as client:
                for text in ("one", "two"):
                    answer = client.post("{loopback_server.url}/v1/" + text, json={{"model": "m", "text": text}})
                    assert answer.text.endswith('"text":"' + text + '"}}\\nä')
        """
    )
    recorder, player = direction.split("-")
    record = pytester.runpytest_subprocess(*_arguments(plugin, recorder), f"{PLUGINS[plugin][2]}=once")
    record.assert_outcomes(passed=1)
    pytester.runpytest_subprocess(*_arguments(plugin, player)).assert_outcomes(passed=1)
    assert ["/v1/one", "/v1/two"] == loopback_server.received


def test_an_object_of_vcrpy_keeps_the_persister_of_its_suite() -> None:
    """Only the one of vcrpy itself, which keeps files as the harness does, is dropped."""

    class Persister:
        pass

    theirs = SimpleNamespace(matchers={}, serializers={}, persister=Persister)
    assert Persister is convert_to_stand_in(theirs).settings["persister"]
    Persister.__module__ = "vcr.persisters.filesystem"
    assert "persister" not in convert_to_stand_in(theirs).settings


def test_the_other_plugin_of_the_mark_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both would answer; the header says how to get it back."""
    monkeypatch.setattr(options, "plugin_to_emulate", lambda manager: RECORDING)
    monkeypatch.setattr(options, "entry_points", lambda group: [SimpleNamespace(name="vcr")])
    manager, stash = PluginManager("pytest"), pytest.Stash()
    manager.register(object(), "vcr")
    options.unregister_other_plugin(manager)  # type: ignore[arg-type]
    assert not manager.has_plugin("vcr")
    stash[CONFIG_KEY] = Config(vcr_marks=RECORDING)
    header = options.VcrHeader().pytest_report_header(SimpleNamespace(pluginmanager=manager, stash=stash))  # type: ignore[arg-type]
    assert header is not None
    assert header.endswith("in the manner of pytest-recording, and not pytest-vcr; -p no:flag_harness gives it back")
