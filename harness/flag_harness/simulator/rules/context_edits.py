"""Rules for `context_management`: edits of a conversation that the API makes before the model reads it."""

from collections.abc import Mapping
from typing import Any

from flag_harness.simulator.rules.request import ParsedRequest

_CLEAR_THINKING_EDIT, _COMPACT_EDIT = "clear_thinking_20251015", "compact_20260112"
_KEYS_AND_BETA_BY_EDIT_TYPE: Mapping[str, tuple[frozenset[str], str]] = {
    _CLEAR_THINKING_EDIT: (frozenset({"type", "keep"}), "context-management-2025-06-27"),
    "clear_tool_uses_20250919": (
        frozenset({"type", "clear_at_least", "clear_tool_inputs", "exclude_tools", "keep", "trigger"}),
        "context-management-2025-06-27",
    ),
    _COMPACT_EDIT: (frozenset({"type", "instructions", "pause_after_compaction", "trigger"}), "compact-2026-01-12"),
}
"""For each type of edit: its allowed keys and the beta that it needs (types of anthropic 2.14)."""
_TRIGGER_TYPES = ("input_tokens", "tool_uses")


def check_context_edits(request: ParsedRequest) -> str | None:
    """Return the error message for invalid context edits, or None.

    An edit is invalid if its type or one of its keys is unknown, if its beta is missing, or if it excludes another
    edit.
    """
    management = request.body.get("context_management")
    if not management:
        return None
    extra = next((key for key in management if key != "edits"), None)
    if extra is not None:
        return f"context_management.{extra}: Extra inputs are not permitted"
    edits = management.get("edits")
    if edits is None:
        return None
    if not isinstance(edits, list):
        return "context_management.edits: Input should be a valid list"
    problems = (_edit_problem(request, index, edit) for index, edit in enumerate(edits))
    return next((problem for problem in problems if problem is not None), None) or _edit_order_problem(request, edits)


def _edit_problem(request: ParsedRequest, index: int, edit: Any) -> str | None:
    """Return the API's error message for one context edit, or None."""
    path = f"context_management.edits.{index}"
    if not isinstance(edit, dict):
        return f"{path}: Input should be a valid dictionary"
    kind = edit.get("type")
    known = {kind: keys for kind, (keys, beta) in _KEYS_AND_BETA_BY_EDIT_TYPE.items() if beta in request.betas}
    if "type" not in edit:
        return f"{path}: Unable to extract tag using discriminator 'type'"
    if not isinstance(kind, str) or kind not in known:
        names = ", ".join(f"'{name}'" for name in sorted(known))
        return f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {names}"
    extra = next((key for key in edit if key not in known[kind]), None)
    if extra is not None:
        return f"{path}.{kind}.{extra}: Extra inputs are not permitted"
    return _trigger_problem(f"{path}.{kind}.trigger", edit.get("trigger"))


def _trigger_problem(path: str, trigger: Any) -> str | None:
    """Return the API's error message for the size at which an edit is made, or None."""
    kind = trigger.get("type") if isinstance(trigger, dict) else None
    if trigger is None or kind in _TRIGGER_TYPES:
        return None
    names = ", ".join(f"'{name}'" for name in _TRIGGER_TYPES)
    return f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {names}"


def _edit_order_problem(request: ParsedRequest, edits: list[Any]) -> str | None:
    """Return the API's error message for repeated, misplaced or inapplicable edits, or None."""
    kinds = [edit["type"] for edit in edits]
    repeated = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if repeated is not None:
        return f"context_management.edits: `{repeated}` may only be specified once."
    if _CLEAR_THINKING_EDIT not in kinds:
        return None
    if kinds[0] != _CLEAR_THINKING_EDIT:
        return f"context_management.edits: `{_CLEAR_THINKING_EDIT}` must be the first edit."
    if request.thinking_type in ("enabled", "adaptive") or (
        request.model.thinks_by_default and request.thinking_type is None
    ):
        return None
    return f"`{_CLEAR_THINKING_EDIT}` strategy requires `thinking` to be enabled or adaptive"
