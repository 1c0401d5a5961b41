"""`vcr_config`: what is honoured, what changes nothing, what is refused by name."""

from enum import StrEnum
from typing import Any

import pytest

from flag_harness.errors import ConfigError
from flag_harness.vcr import VcrRequest, parse_settings
from flag_harness.vcr.matchers import DEFAULT_MATCHERS


class RecordMode(StrEnum):
    """As vcrpy's own."""

    ONCE = "once"


def test_nothing_said_is_vcrpys_default() -> None:
    """Method, scheme, host, port, path and query; no filters; each answer once."""
    settings = parse_settings({}, {}, "none")
    assert list(DEFAULT_MATCHERS) == list(settings.matchers)
    assert ((), (), "none", False) == (
        settings.request_filters,
        settings.response_filters,
        settings.record_mode,
        settings.allows_repeats,
    )


@pytest.mark.parametrize("mode", ["once", RecordMode.ONCE])
def test_the_settings_overrule_the_command_line(mode: str) -> None:
    """As in pytest-recording; vcrpy's own values are taken too."""
    assert "once" == parse_settings({"record_mode": mode}, {}, "none").record_mode
    assert "new_episodes" == parse_settings({}, {}, "new_episodes").record_mode


def test_functions_may_be_one_or_several() -> None:
    """Under either name of the key."""
    for options in ({"before_record": len}, {"before_record_request": [len]}):
        assert (len,) == parse_settings(options, {}, "none").request_filters
    assert (len, repr) == parse_settings({"before_record_response": (len, repr)}, {}, "none").response_filters


def test_what_changes_nothing_is_taken() -> None:
    """What vcrpy does when it writes is not asked for."""
    options = {"drop_unused_requests": True, "record_on_exception": False, "custom_patches": (), "allowed_hosts": ["x"]}
    assert list(DEFAULT_MATCHERS) == list(parse_settings(options, {}, "none").matchers)


def test_localhost_has_four_names() -> None:
    """vcrpy's."""
    (ignored,) = parse_settings({"ignore_localhost": True}, {}, "none").request_filters
    for host in ("localhost", "127.0.0.1", "0.0.0.0", "[::1]"):
        assert ignored(VcrRequest("GET", f"http://{host}:8080/", b"", {})) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"match-on": []}, "'match-on' is not a setting of vcrpy; the nearest is 'match_on'"),
        ({"skip_patchers": ["httpx"]}, "skip_patchers is not supported: all clients of httpx2 and httpx are answered"),
        (
            {"serializer": "toml"},
            "serializer = 'toml' is not known; known are json, yaml. Register it in pytest_recording_configure: "
            "vcr.register_serializer('toml', ...)",
        ),
        ({"record_mode": "any"}, "record_mode = 'any' is not one of none, once, new_episodes, all, rewrite"),
        (
            {"match_on": ["bdy"]},
            "match_on 'bdy' is not known; known are body, headers, host, method, path, port, query, raw_body, scheme, "
            "uri, url",
        ),
        ({"filter_headers": [3]}, "filter_headers: 3 is neither a name nor a pair of a name and its replacement"),
        ({"before_record_response": ["x"]}, "before_record_response: 'x' is not a function"),
    ],
)
def test_what_is_not_supported_is_named(options: dict[str, Any], message: str) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigError) as raised:
        parse_settings(options, {}, "none")
    assert message == str(raised.value)
