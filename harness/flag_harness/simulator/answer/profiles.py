"""The dates when keys first appeared in answers, so that the simulator can answer as in an earlier month."""

from collections.abc import Mapping
from typing import Any

LATEST_MONTH = "2026-08"
"""The month of the newest recordings with which the simulator was compared."""

FIRST_MONTH_BY_KEY: Mapping[str, str] = {
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
"""The month or day on which each key was first recorded in an answer. Keys that are not listed existed in 2024
already.
"""
_FIRST_MONTH_OF_CUMULATIVE_INPUT = "2025-08"
_FIRST_MONTH_WITH_MODEL_FIRST = "2025-10"


def remove_keys_newer_than_month(value: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """Return the object without keys that are newer than `profile`, a month or day such as `2025-11`."""
    return {key: item for key, item in value.items() if FIRST_MONTH_BY_KEY.get(key, "") <= profile}


def convert_message_to_month(message: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """Return a message in the form that it had in the month `profile`.

    Before October 2025 a message began with its id, and `model` came after `role`.
    """
    kept = remove_keys_newer_than_month(message, profile)
    if profile >= _FIRST_MONTH_WITH_MODEL_FIRST:
        return kept
    order = ("id", "type", "role", "model")
    return {key: kept[key] for key in (*order, *(key for key in kept if key not in order))}


def convert_delta_usage_to_month(usage: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """Return the usage of a `message_delta` in the form that it had in the month `profile`.

    Before August 2025 it had only the output tokens.
    """
    kept = remove_keys_newer_than_month(usage, profile)
    return kept if profile >= _FIRST_MONTH_OF_CUMULATIVE_INPUT else {"output_tokens": kept["output_tokens"]}
