"""The settings of `vcr_config` and `@pytest.mark.vcr`: supported, ignored and unsupported ones."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.errors import ConfigError
from flag_harness.vcr.filters import (
    LOCALHOST,
    RequestFilter,
    header_filter,
    host_filter,
    parse_replacements,
    post_data_filter,
    query_filter,
)
from flag_harness.vcr.matchers import DEFAULT_MATCHERS, MATCHERS, Matcher
from flag_harness.vcr.responses import ResponseFilter, decompress_vcr_response

RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")
SERIALIZERS = ("yaml", "json")

SUPPORTED = (
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
IGNORED = (
    "before_save_interaction",
    "drop_unused_requests",
    "func_path_generator",
    "inject_cassette",
    "record_on_exception",
)
"""Settings of vcrpy that have no effect on playing cassettes that a mark names."""

UNSUPPORTED = {
    "after_load_interaction": "use before_record_response, which is called for what is loaded too",
    "custom_patches": "only clients of httpx2 and httpx are answered",
    "filter_sensitive_data": "write the value into the cassette, or use before_record_response",
    "persister": "cassettes are read from files",
    "skip_patchers": "all clients of httpx2 and httpx are answered",
}
"""Settings of vcrpy that are not supported, and what to do instead."""


@dataclass(frozen=True, slots=True)
class VcrSettings:
    """How a cassette is played. Filters are applied to sent requests and to loaded interactions."""

    matchers: Mapping[str, Matcher]
    request_filters: tuple[RequestFilter, ...] = ()
    response_filters: tuple[ResponseFilter, ...] = ()
    record_mode: str = "none"
    repeats: bool = False


def parse_settings(options: Mapping[str, Any], matchers: Mapping[str, Matcher], record_mode: str) -> VcrSettings:
    """Parse vcrpy's options. Raise `ConfigError` naming an unknown or unsupported key or an invalid value.

    `matchers` are known in addition to vcrpy's; `record_mode` applies unless the options set another.
    """
    _refuse_unsupported(options)
    mode = options.get("record_mode") or record_mode
    mode = getattr(mode, "value", mode)
    if mode not in RECORD_MODES:
        raise ConfigError(f"record_mode = {mode!r} is not one of {', '.join(RECORD_MODES)}")
    return VcrSettings(
        matchers=_select_matchers(options, {**MATCHERS, **matchers}),
        request_filters=tuple(_request_filters(options)),
        response_filters=tuple(_response_filters(options)),
        record_mode=mode,
        repeats=bool(options.get("allow_playback_repeats")),
    )


def _refuse_unsupported(options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if key in UNSUPPORTED and value:
            raise ConfigError(f"{key} is not supported: {UNSUPPORTED[key]}")
        if key not in (*SUPPORTED, *IGNORED, *UNSUPPORTED):
            nearest = difflib.get_close_matches(str(key), SUPPORTED, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{key!r} is not a setting of vcrpy; the nearest is {nearest!r}")
    if (serializer := options.get("serializer", "yaml")) not in SERIALIZERS:
        raise ConfigError(f"serializer = {serializer!r} is not supported: cassettes are read as YAML or JSON")


def _select_matchers(options: Mapping[str, Any], known: Mapping[str, Matcher]) -> dict[str, Matcher]:
    names = [*(options.get("match_on") or DEFAULT_MATCHERS), *options.get("additional_matchers", ())]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"match_on {unknown[0]!r} is not known; known are {', '.join(sorted(known))}")
    return {name: known[name] for name in names}


def _request_filters(options: Mapping[str, Any]) -> Iterable[RequestFilter]:
    """Yield the request filters, in vcrpy's order."""
    for key, make_filter in (("filter_headers", header_filter), ("filter_query_parameters", query_filter)):
        if names := options.get(key):
            yield make_filter(_parse_replacement_option(key, names))
    if names := options.get("filter_post_data_parameters"):
        wanted = _parse_replacement_option("filter_post_data_parameters", names)
        yield post_data_filter(wanted, bool(options.get("filter_nested_post_data_parameters")))
    hosts = {*options.get("ignore_hosts", ()), *(LOCALHOST if options.get("ignore_localhost") else ())}
    if hosts:
        yield host_filter(hosts)
    yield from _callables(options, "before_record_request" if "before_record_request" in options else "before_record")


def _response_filters(options: Mapping[str, Any]) -> Iterable[ResponseFilter]:
    if options.get("decode_compressed_response"):
        yield decompress_vcr_response
    yield from _callables(options, "before_record_response")


def _parse_replacement_option(key: str, names: Iterable[Any]) -> Mapping[str, Any]:
    try:
        return parse_replacements(names)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def _callables(options: Mapping[str, Any], key: str) -> list[Callable[[Any], Any]]:
    """Return the functions of an option, which may be one function or several."""
    value = options.get(key) or ()
    found = [value] if callable(value) else list(value)
    if wrong := [one for one in found if not callable(one)]:
        raise ConfigError(f"{key}: {wrong[0]!r:.80} is not a function")
    return found
