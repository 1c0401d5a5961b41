"""`vcr_config` and the arguments of `@pytest.mark.vcr`: what is honoured, what changes nothing, what is refused."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.errors import ConfigError
from flag_harness.vcr.filters import (
    LOCALHOST,
    RequestFilter,
    replacements,
    without_headers,
    without_hosts,
    without_post_data,
    without_query,
)
from flag_harness.vcr.matchers import DEFAULT, MATCHERS, Matcher
from flag_harness.vcr.responses import ResponseFilter, decoded

RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")
SERIALIZERS = ("yaml", "json")

HONOURED = (
    "additional_matchers",
    "allow_playback_repeats",
    "allowed_hosts",
    "before_record",
    "before_record_request",
    "before_record_response",
    "cassette_library_dir",
    "decode_compressed_response",
    "filter_headers",
    "filter_nested_post_data_parameters",
    "filter_post_data_parameters",
    "filter_query_parameters",
    "ignore_hosts",
    "ignore_localhost",
    "match_on",
    "path_transformer",
    "record_mode",
    "serializer",
)
WITHOUT_EFFECT = (
    "before_save_interaction",
    "drop_unused_requests",
    "func_path_generator",
    "inject_cassette",
    "record_on_exception",
)
"""Settings of vcrpy that change nothing where cassettes are played and the mark names them."""

REFUSED = {
    "after_load_interaction": "use before_record_response, which is called for what is loaded too",
    "custom_patches": "only clients of httpx2 and httpx are answered",
    "filter_sensitive_data": "write the value into the cassette, or use before_record_response",
    "persister": "cassettes are read from files",
    "skip_patchers": "all clients of httpx2 and httpx are answered",
}
"""Settings of vcrpy that are not supported, and what to do instead."""


@dataclass(frozen=True, slots=True)
class VcrSettings:
    """How one cassette is played. Filters are applied to what is sent and to what is loaded."""

    matchers: Mapping[str, Matcher]
    request_filters: tuple[RequestFilter, ...] = ()
    response_filters: tuple[ResponseFilter, ...] = ()
    record_mode: str = "none"
    repeats: bool = False


def settings_of(options: Mapping[str, Any], matchers: Mapping[str, Matcher], record_mode: str) -> VcrSettings:
    """The settings that `options` say; `matchers` are those known beside vcrpy's, `record_mode` what the options may
    overrule. Raises `ConfigError` naming a key that is not supported or known, or a value that is not understood.
    """
    _refuse_unsupported(options)
    mode = options.get("record_mode") or record_mode
    mode = getattr(mode, "value", mode)
    if mode not in RECORD_MODES:
        raise ConfigError(f"record_mode = {mode!r} is none of {', '.join(RECORD_MODES)}")
    return VcrSettings(
        matchers=_matchers(options, {**MATCHERS, **matchers}),
        request_filters=tuple(_request_filters(options)),
        response_filters=tuple(_response_filters(options)),
        record_mode=mode,
        repeats=bool(options.get("allow_playback_repeats")),
    )


def _refuse_unsupported(options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if key in REFUSED and value:
            raise ConfigError(f"{key} is not supported: {REFUSED[key]}")
        if key not in (*HONOURED, *WITHOUT_EFFECT, *REFUSED):
            nearest = difflib.get_close_matches(str(key), HONOURED, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{key!r} is no setting of vcrpy; the nearest is {nearest!r}")
    if (serializer := options.get("serializer", "yaml")) not in SERIALIZERS:
        raise ConfigError(f"serializer = {serializer!r} is not supported: cassettes are read as YAML or JSON")


def _matchers(options: Mapping[str, Any], known: Mapping[str, Matcher]) -> dict[str, Matcher]:
    names = [*(options.get("match_on") or DEFAULT), *options.get("additional_matchers", ())]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"match_on {unknown[0]!r} is not known; known are {', '.join(sorted(known))}")
    return {name: known[name] for name in names}


def _request_filters(options: Mapping[str, Any]) -> Iterable[RequestFilter]:
    """In vcrpy's order."""
    for key, made in (("filter_headers", without_headers), ("filter_query_parameters", without_query)):
        if names := options.get(key):
            yield made(_replacements(key, names))
    if names := options.get("filter_post_data_parameters"):
        wanted = _replacements("filter_post_data_parameters", names)
        yield without_post_data(wanted, bool(options.get("filter_nested_post_data_parameters")))
    hosts = {*options.get("ignore_hosts", ()), *(LOCALHOST if options.get("ignore_localhost") else ())}
    if hosts:
        yield without_hosts(hosts)
    yield from _callables(options, "before_record_request" if "before_record_request" in options else "before_record")


def _response_filters(options: Mapping[str, Any]) -> Iterable[ResponseFilter]:
    if options.get("decode_compressed_response"):
        yield decoded
    yield from _callables(options, "before_record_response")


def _replacements(key: str, names: Iterable[Any]) -> Mapping[str, Any]:
    try:
        return replacements(names)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def _callables(options: Mapping[str, Any], key: str) -> list[Callable[[Any], Any]]:
    """One function, or several, as vcrpy takes them."""
    given = options.get(key) or ()
    found = [given] if callable(given) else list(given)
    if wrong := [one for one in found if not callable(one)]:
        raise ConfigError(f"{key}: {wrong[0]!r:.80} is no function")
    return found
