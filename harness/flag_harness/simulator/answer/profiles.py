"""What the API's answers have held since when: a simulator can answer as it did in an earlier month."""

from collections.abc import Mapping
from typing import Any

LATEST = "2026-08"
"""The month of the last recordings that this simulator was held against."""

ADDED: Mapping[str, str] = {
    "cache_creation_input_tokens": "2025-01",
    "cache_read_input_tokens": "2025-01",
    "service_tier": "2025-05",
    "cache_creation": "2025-08",
    "request_id": "2025-11",
    "caller": "2026-02",
    "inference_geo": "2026-02-06",
    "stop_details": "2026-04",
    "output_tokens_details": "2026-05",
}
"""The first month, or day, in which a key was recorded; keys that are not here were there in 2024."""
_CUMULATIVE_INPUT = "2025-08"
_MODEL_FIRST = "2025-10"


def dated(value: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """The object without the keys that came after `profile`, a month or a day (`2025-11`)."""
    return {key: item for key, item in value.items() if ADDED.get(key, "") <= profile}


def dated_message(message: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """A message of that month; before October 2025 it began with its id, and `model` came after `role`."""
    kept = dated(message, profile)
    if profile >= _MODEL_FIRST:
        return kept
    order = ("id", "type", "role", "model")
    return {key: kept[key] for key in (*order, *(key for key in kept if key not in order))}


def dated_closing(usage: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """The usage of `message_delta` in that month; before August 2025 it told the output alone."""
    kept = dated(usage, profile)
    return kept if profile >= _CUMULATIVE_INPUT else {"output_tokens": kept["output_tokens"]}
