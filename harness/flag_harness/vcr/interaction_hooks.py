"""vcrpy's hooks, which change interactions as they are saved or loaded, and `filter_sensitive_data`."""

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from flag_harness.errors import CassetteError
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.responses import VcrResponse

InteractionHook: TypeAlias = Callable[..., Any]
"""A function that takes a request, a response and optionally the cassette. It returns both, or None to drop them."""


def apply_hooks(
    hooks: Iterable[InteractionHook], request: VcrRequest, response: VcrResponse, cassette: object
) -> tuple[VcrRequest, VcrResponse] | None:
    """Apply the hooks to copies of a request and its response, and return the changed copies. Return None if a hook
    drops them.

    `cassette` is passed to the hooks that take a third argument.
    """
    pair = copy.deepcopy(request), copy.deepcopy(response)
    for hook in hooks:
        changed = hook(*pair, cassette) if _takes_cassette(hook) else hook(*pair)
        if changed is None:
            return None
        if not isinstance(changed, (tuple, list)) or len(changed) != 2:
            name = getattr(hook, "__qualname__", repr(hook))
            raise CassetteError(f"the hook {name} must return (request, response) or None, not {changed!r:.40}")
        pair = changed[0], changed[1]
    return pair


def make_sensitive_data_hooks(placeholders: Any) -> tuple[InteractionHook, InteractionHook]:
    """Return a hook that replaces sensitive values by placeholders before saving, and one that restores them after
    loading.

    `placeholders` maps each placeholder to the value that it replaces, or to a function that takes the request and the
    response and returns this value. A list of pairs is accepted, too.
    """
    entries = list(placeholders.items() if isinstance(placeholders, Mapping) else placeholders)

    def hide_sensitive_values(request: VcrRequest, response: VcrResponse) -> tuple[VcrRequest, VcrResponse]:
        return _replace_in_request_and_response(request, response, [(value, name) for name, value in entries])

    def restore_sensitive_values(request: VcrRequest, response: VcrResponse) -> tuple[VcrRequest, VcrResponse]:
        return _replace_in_request_and_response(request, response, [(name, value) for name, value in entries])

    return hide_sensitive_values, restore_sensitive_values


def _replace_in_request_and_response(
    request: VcrRequest, response: VcrResponse, replacements: Iterable[tuple[Any, Any]]
) -> tuple[VcrRequest, VcrResponse]:
    """Return the request and the response with texts replaced. `replacements` are pairs of an old and a new text."""
    for pair in replacements:
        found = [str(one(request, response) if callable(one) else one) for one in pair if one is not None]
        if len(found) == 2 and all(found):
            values = _replace_text(request._to_dict(), *found)
            headers = {name: one[0] for name, one in values["headers"].items()}
            request = VcrRequest(values["method"], values["uri"], values["body"], headers)
            response = _replace_text(response, *found)
    return request, response


def _replace_text(value: Any, old_text: str, new_text: str) -> Any:
    """Return `value` with `old_text` replaced by `new_text` in all its strings and bytes, also in nested lists and
    dicts.
    """
    if isinstance(value, str):
        return value.replace(old_text, new_text)
    if isinstance(value, bytes):
        return value.replace(old_text.encode(), new_text.encode())
    if isinstance(value, dict):
        return {key: _replace_text(one, old_text, new_text) for key, one in value.items()}
    return [_replace_text(one, old_text, new_text) for one in value] if isinstance(value, list) else value


def _takes_cassette(hook: InteractionHook) -> bool:
    """Return whether a hook takes the cassette as a third argument."""
    try:
        inspect.signature(hook).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True
