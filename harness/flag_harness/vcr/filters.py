"""vcrpy's filters: what is taken out of a request, sent or recorded, before the two are compared."""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote_plus, urlencode

import msgspec

from flag_harness.vcr.request import VcrRequest

RequestFilter: TypeAlias = Callable[[VcrRequest], VcrRequest | None]
"""Changes a request; `None` where it is none of the cassette's."""

Replacements: TypeAlias = Mapping[str, Any]
"""What takes the place of a value, by name: text, `None` to leave the name out, or a function of `key`, `value` and
`request` that returns one of these."""

LOCALHOST = frozenset({"localhost", "0.0.0.0", "127.0.0.1", "::1"})
"""The hosts of vcrpy's `ignore_localhost`."""


def replacements(names: Iterable[Any]) -> Replacements:
    """`["authorization", ("x-key", "KEY")]` as replacements. Raises `ValueError` where an entry is neither."""
    found: dict[str, Any] = {}
    for entry in names:
        pair = entry if isinstance(entry, tuple) else (entry, None)
        if len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(f"{entry!r:.80} is neither a name nor a pair of a name and its replacement")
        found[pair[0]] = pair[1]
    return found


def without_headers(wanted: Replacements) -> RequestFilter:
    """`filter_headers`."""

    def filtered(request: VcrRequest) -> VcrRequest:
        for name in wanted:
            if name in request.headers:
                old = request.headers.pop(name)
                if (new := _replacement(wanted[name], name, old, request)) is not None:
                    request.headers[name] = new
        return request

    return filtered


def without_query(wanted: Replacements) -> RequestFilter:
    """`filter_query_parameters`. The parameters that are left are sorted, as vcrpy leaves them."""

    def filtered(request: VcrRequest) -> VcrRequest:
        kept = [
            (name, _replacement(wanted[name], name, value, request) if name in wanted else value)
            for name, value in request.query
        ]
        query = urlencode([(name, value) for name, value in kept if value is not None])
        request.uri = request.parsed_uri._replace(query=query).geturl()
        return request

    return filtered


def without_post_data(wanted: Replacements, nested: bool) -> RequestFilter:
    """`filter_post_data_parameters`: of JSON objects and of forms. `nested` looks into objects in objects too."""

    def filtered(request: VcrRequest) -> VcrRequest:
        kind = request.headers.get("content-type", "").lower()
        if request.body and "application/json" in kind:
            request.body = _json(request, wanted, nested)
        elif request.body and not kind.startswith("multipart/"):
            request.body = _form(request, wanted)
        return request

    return filtered


def without_hosts(hosts: Iterable[Any]) -> RequestFilter:
    """`ignore_hosts`: names, or compiled expressions for whole names."""
    listed = list(hosts)
    names = {host for host in listed if isinstance(host, str)}
    patterns = [host for host in listed if isinstance(host, re.Pattern)]

    def filtered(request: VcrRequest) -> VcrRequest | None:
        host = request.host or ""
        return None if host in names or any(pattern.fullmatch(host) for pattern in patterns) else request

    return filtered


def applied(request: VcrRequest, filters: Iterable[RequestFilter]) -> VcrRequest | None:
    """A copy of the request as the filters leave it."""
    left: VcrRequest | None = copy.deepcopy(request)
    for one in filters:
        if left is None:
            break
        left = one(left)
    return left


def _replacement(new: Any, key: str, value: Any, request: VcrRequest) -> Any:
    return new(key=key, value=value, request=request) if callable(new) else new


def _json(request: VcrRequest, wanted: Replacements, nested: bool) -> bytes:
    try:
        value = msgspec.json.decode(request.body)
    except (ValueError, RecursionError):
        return request.body
    return msgspec.json.encode(_replaced(value, wanted, request, nested))


def _replaced(value: Any, wanted: Replacements, request: VcrRequest, nested: bool) -> Any:
    if isinstance(value, list) and nested:
        return [_replaced(member, wanted, request, nested) for member in value]
    if not isinstance(value, dict):
        return value
    left: dict[str, Any] = {}
    for key, old in value.items():
        if key not in wanted:
            left[key] = _replaced(old, wanted, request, nested) if nested else old
        elif (new := _replacement(wanted[key], key, old, request)) is not None:
            left[key] = new
    return left


def _form(request: VcrRequest, wanted: Replacements) -> bytes:
    """A form's fields without those wanted, the others byte by byte as they were; a body that is no text stays."""
    try:
        fields = [_field(field, wanted, request) for field in request.body.split(b"&")]
    except UnicodeDecodeError:
        return request.body
    return b"&".join(field for field in fields if field is not None)


def _field(field: bytes, wanted: Replacements, request: VcrRequest) -> bytes | None:
    key, equals, value = field.partition(b"=")
    if not equals:
        return field
    name = key.decode("utf-8")
    name = name if name in wanted else unquote_plus(name)
    if name not in wanted:
        return field
    old = value.decode("utf-8") if callable(wanted[name]) else ""
    new = _replacement(wanted[name], name, old, request)
    return None if new is None else key + equals + str(new).encode("utf-8")
