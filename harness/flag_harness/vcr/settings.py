"""Parse vcrpy's settings, from the fixture `vcr_config` and the mark `@pytest.mark.vcr`."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flag_harness.errors import ConfigError
from flag_harness.vcr.filters import (
    LOCALHOST_NAMES,
    RequestFilter,
    make_header_filter,
    make_host_filter,
    make_post_data_filter,
    make_query_filter,
    parse_replacements,
)
from flag_harness.vcr.interaction_hooks import InteractionHook, make_sensitive_data_hooks
from flag_harness.vcr.matchers import DEFAULT_MATCHERS, MATCHERS, Matcher
from flag_harness.vcr.responses import ResponseFilter, decompress_vcr_response
from flag_harness.vcr.serializers import SERIALIZERS, Serializer
from flag_harness.vcr.storage import CassetteStorage, FileStorage, PersisterStorage

RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")

SUPPORTED_SETTINGS = (
    "additional_matchers",
    "after_load_interaction",
    "allow_playback_repeats",
    "allowed_hosts",
    "before_record",
    "before_record_request",
    "before_record_response",
    "before_save_interaction",
    "cassette_library_dir",
    "decode_compressed_response",
    "filter_headers",
    "filter_nested_post_data_parameters",
    "filter_post_data_parameters",
    "filter_query_parameters",
    "filter_sensitive_data",
    "ignore_hosts",
    "ignore_localhost",
    "match_on",
    "path_transformer",
    "persister",
    "record_mode",
    "serializer",
)
IGNORED_SETTINGS = (
    "drop_unused_requests",
    "func_path_generator",
    "inject_cassette",
    "record_on_exception",
)
"""Settings of vcrpy that are accepted but have no effect here."""

UNSUPPORTED_SETTINGS = {
    "custom_patches": "only clients of httpx2 and httpx are answered",
    "skip_patchers": "all clients of httpx2 and httpx are answered",
}
"""Settings of vcrpy that are not supported, with the reason."""


@dataclass(frozen=True, slots=True)
class VcrSettings:
    """The settings by which a cassette in vcrpy's format is played and recorded.

    Filters are applied to sent requests, and to interactions when they are loaded or recorded. Hooks are applied to
    interactions when they are saved (`save_hooks`) or loaded (`load_hooks`). With `allows_repeats`, a response may be
    played more than once.
    """

    matchers: Mapping[str, Matcher]
    request_filters: tuple[RequestFilter, ...] = ()
    response_filters: tuple[ResponseFilter, ...] = ()
    record_mode: str = "none"
    allows_repeats: bool = False
    storage: CassetteStorage = field(default_factory=FileStorage)
    save_hooks: tuple[InteractionHook, ...] = ()
    load_hooks: tuple[InteractionHook, ...] = ()


def parse_settings(
    options: Mapping[str, Any],
    matchers: Mapping[str, Matcher],
    record_mode: str,
    serializers: Mapping[str, Serializer] = SERIALIZERS,
) -> VcrSettings:
    """Parse vcrpy's settings. Raise `ConfigError` naming any unknown or unsupported key, or invalid value.

    `matchers` are those that the test suite has registered beside vcrpy's own. `record_mode` applies unless the
    settings name another one. `serializers` are the known ones by name.
    """
    _refuse_unsupported_settings(options)
    mode = options.get("record_mode") or record_mode
    mode = getattr(mode, "value", mode)
    if mode not in RECORD_MODES:
        raise ConfigError(f"record_mode = {mode!r} is not one of {', '.join(RECORD_MODES)}")
    return VcrSettings(
        matchers=_select_matchers(options, {**MATCHERS, **matchers}),
        request_filters=tuple(_request_filters(options)),
        response_filters=tuple(_response_filters(options)),
        record_mode=mode,
        allows_repeats=bool(options.get("allow_playback_repeats")),
        storage=_select_storage(options, serializers),
        save_hooks=_hooks_before_saving(options),
        load_hooks=_hooks_after_loading(options),
    )


def _refuse_unsupported_settings(options: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if a setting is unknown or not supported."""
    for key, value in options.items():
        if key in UNSUPPORTED_SETTINGS and value:
            raise ConfigError(f"{key} is not supported: {UNSUPPORTED_SETTINGS[key]}")
        if key not in (*SUPPORTED_SETTINGS, *IGNORED_SETTINGS, *UNSUPPORTED_SETTINGS):
            nearest = difflib.get_close_matches(str(key), SUPPORTED_SETTINGS, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{key!r} is not a setting of vcrpy; the nearest is {nearest!r}")


def _select_storage(options: Mapping[str, Any], serializers: Mapping[str, Serializer]) -> CassetteStorage:
    """Return the storage that the settings `serializer` and `persister` select."""
    name = options.get("serializer", "yaml")
    if name not in serializers:
        raise ConfigError(
            f"serializer = {name!r} is not known; known are {', '.join(sorted(serializers))}. Register it in "
            f"pytest_recording_configure: vcr.register_serializer({name!r}, ...)"
        )
    persister = options.get("persister")
    return FileStorage(serializers[name]) if persister is None else PersisterStorage(persister, serializers[name])


def _hooks_before_saving(options: Mapping[str, Any]) -> tuple[InteractionHook, ...]:
    sensitive = options.get("filter_sensitive_data")
    hide = [make_sensitive_data_hooks(sensitive)[0]] if sensitive else []
    return (*_option_functions(options, "before_save_interaction"), *hide)


def _hooks_after_loading(options: Mapping[str, Any]) -> tuple[InteractionHook, ...]:
    sensitive = options.get("filter_sensitive_data")
    restore = [make_sensitive_data_hooks(sensitive)[1]] if sensitive else []
    return (*restore, *_option_functions(options, "after_load_interaction"))


def _select_matchers(options: Mapping[str, Any], known: Mapping[str, Matcher]) -> dict[str, Matcher]:
    names = [*(options.get("match_on") or DEFAULT_MATCHERS), *options.get("additional_matchers", ())]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"match_on {unknown[0]!r} is not known; known are {', '.join(sorted(known))}")
    return {name: known[name] for name in names}


def _request_filters(options: Mapping[str, Any]) -> Iterable[RequestFilter]:
    """Yield the request filters that the settings demand, in the order in which vcrpy applies them."""
    for key, make_filter in (("filter_headers", make_header_filter), ("filter_query_parameters", make_query_filter)):
        if names := options.get(key):
            yield make_filter(_parse_replacement_option(key, names))
    if names := options.get("filter_post_data_parameters"):
        wanted = _parse_replacement_option("filter_post_data_parameters", names)
        yield make_post_data_filter(wanted, bool(options.get("filter_nested_post_data_parameters")))
    hosts = {*options.get("ignore_hosts", ()), *(LOCALHOST_NAMES if options.get("ignore_localhost") else ())}
    if hosts:
        yield make_host_filter(hosts)
    yield from _option_functions(
        options, "before_record_request" if "before_record_request" in options else "before_record"
    )


def _response_filters(options: Mapping[str, Any]) -> Iterable[ResponseFilter]:
    if options.get("decode_compressed_response"):
        yield decompress_vcr_response
    yield from _option_functions(options, "before_record_response")


def _parse_replacement_option(key: str, names: Iterable[Any]) -> Mapping[str, Any]:
    try:
        return parse_replacements(names)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def _option_functions(options: Mapping[str, Any], key: str) -> list[Callable[..., Any]]:
    """Return the functions that a setting holds: one function, or a list of them."""
    value = options.get(key) or ()
    found = [value] if callable(value) else list(value)
    if wrong := [one for one in found if not callable(one)]:
        raise ConfigError(f"{key}: {wrong[0]!r:.80} is not a function")
    return found
