"""vcrpy's request filters, which are applied to sent and recorded requests before they are compared."""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote_plus, urlencode

import msgspec

from flag_harness.vcr.request import VcrRequest

RequestFilter: TypeAlias = Callable[[VcrRequest], VcrRequest | None]
"""A function that changes a request, or returns None to drop it from the cassette."""

Replacements: TypeAlias = Mapping[str, Any]
"""New values of headers or parameters by name: a text, None to remove the header or parameter, or a function.

The function takes the keyword arguments `key`, `value` and `request`, and returns a text or None.
"""

LOCALHOST_NAMES = frozenset({"localhost", "0.0.0.0", "127.0.0.1", "::1"})
"""The host names whose requests vcrpy's setting `ignore_localhost` leaves out of cassettes."""


def parse_replacements(names: Iterable[Any]) -> Replacements:
    """Parse vcrpy's list of parameters to filter, and return the new value of each by name.

    An entry is a name alone (`"a"`: the parameter is removed) or a name with a new value (`("x-key", "KEY")`). Raise
    `ValueError` for any other entry.
    """
    found: dict[str, Any] = {}
    for entry in names:
        pair = entry if isinstance(entry, tuple) else (entry, None)
        if len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(f"{entry!r:.80} is neither a name nor a pair of a name and its replacement")
        found[pair[0]] = pair[1]
    return found


def make_header_filter(replacements: Replacements) -> RequestFilter:
    """Build the request filter for vcrpy's setting `filter_headers`."""

    def filter_headers(request: VcrRequest) -> VcrRequest:
        for name in replacements:
            if name in request.headers:
                old = request.headers.pop(name)
                if (new := _compute_replacement(replacements[name], name, old, request)) is not None:
                    request.headers[name] = new
        return request

    return filter_headers


def make_query_filter(replacements: Replacements) -> RequestFilter:
    """Build the request filter for vcrpy's setting `filter_query_parameters`.

    Like vcrpy's own filter, it sorts the remaining parameters.
    """

    def filter_query(request: VcrRequest) -> VcrRequest:
        kept = [
            (name, _compute_replacement(replacements[name], name, value, request) if name in replacements else value)
            for name, value in request.query
        ]
        query = urlencode([(name, value) for name, value in kept if value is not None])
        request.uri = request.parsed_uri._replace(query=query).geturl()
        return request

    return filter_query


def make_post_data_filter(replacements: Replacements, include_nested: bool) -> RequestFilter:
    """Build the request filter for vcrpy's setting `filter_post_data_parameters`, for JSON bodies and forms.

    With `include_nested`, parameters are also replaced in JSON objects that are inside other values.
    """

    def filter_post_data(request: VcrRequest) -> VcrRequest:
        kind = request.headers.get("content-type", "").lower()
        if request.body and "application/json" in kind:
            request.body = _filter_json(request, replacements, include_nested)
        elif request.body and not kind.startswith("multipart/"):
            request.body = _filter_form(request, replacements)
        return request

    return filter_post_data


def make_host_filter(hosts: Iterable[Any]) -> RequestFilter:
    """Build the request filter for vcrpy's setting `ignore_hosts`, which drops requests to these hosts.

    `hosts` are names, or compiled patterns that must match a whole name.
    """
    entries = list(hosts)
    names = {host for host in entries if isinstance(host, str)}
    patterns = [host for host in entries if isinstance(host, re.Pattern)]

    def drop_ignored_host(request: VcrRequest) -> VcrRequest | None:
        host = request.host or ""
        return None if host in names or any(pattern.fullmatch(host) for pattern in patterns) else request

    return drop_ignored_host


def apply_filters(request: VcrRequest, filters: Iterable[RequestFilter]) -> VcrRequest | None:
    """Return a filtered copy of the request, or None if a filter drops it."""
    filtered: VcrRequest | None = copy.deepcopy(request)
    for one in filters:
        if filtered is None:
            break
        filtered = one(filtered)
    return filtered


def _compute_replacement(replacement: Any, key: str, value: Any, request: VcrRequest) -> Any:
    """Return the new value of the parameter `key`: `replacement` itself or, if that is a function, its result."""
    return replacement(key=key, value=value, request=request) if callable(replacement) else replacement


def _filter_json(request: VcrRequest, replacements: Replacements, include_nested: bool) -> bytes:
    try:
        value = msgspec.json.decode(request.body)
    except (ValueError, RecursionError):
        return request.body
    return msgspec.json.encode(_replace_members(value, replacements, request, include_nested))


def _replace_members(value: Any, replacements: Replacements, request: VcrRequest, include_nested: bool) -> Any:
    """Return a JSON value whose members named in `replacements` are replaced, or removed if their replacement is None.

    With `include_nested`, objects inside other values are changed, too.
    """
    if isinstance(value, list) and include_nested:
        return [_replace_members(member, replacements, request, include_nested) for member in value]
    if not isinstance(value, dict):
        return value
    filtered: dict[str, Any] = {}
    for key, old in value.items():
        if key not in replacements:
            filtered[key] = _replace_members(old, replacements, request, include_nested) if include_nested else old
        elif (new := _compute_replacement(replacements[key], key, old, request)) is not None:
            filtered[key] = new
    return filtered


def _filter_form(request: VcrRequest, replacements: Replacements) -> bytes:
    """Return the body of a form with its fields replaced or removed. A body that is not text is returned unchanged."""
    try:
        fields = [_filter_field(field, replacements, request) for field in request.body.split(b"&")]
    except UnicodeDecodeError:
        return request.body
    return b"&".join(field for field in fields if field is not None)


def _filter_field(field: bytes, replacements: Replacements, request: VcrRequest) -> bytes | None:
    """Return a form field, with a new value if `replacements` names the field.

    Return None if the field is to be removed.
    """
    key, equals, value = field.partition(b"=")
    if not equals:
        return field
    name = key.decode("utf-8")
    name = name if name in replacements else unquote_plus(name)
    if name not in replacements:
        return field
    old = value.decode("utf-8") if callable(replacements[name]) else ""
    new = _compute_replacement(replacements[name], name, old, request)
    return None if new is None else key + equals + str(new).encode("utf-8")
