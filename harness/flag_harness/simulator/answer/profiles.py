"""The month in which each JSON key first appeared in answers, so that answers can be those of earlier months."""

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
"""The month or day on which each JSON key was first recorded in an answer. Keys that are not listed existed in 2024
already.
"""
_FIRST_MONTH_OF_INPUT_IN_DELTA = "2025-08"
_FIRST_MONTH_WITH_MODEL_BEFORE_ID = "2025-10"


def remove_keys_newer_than_month(json_object: Mapping[str, Any], month: str) -> dict[str, Any]:
    """Return a copy of a JSON object without keys that are newer than `month`, a month or day such as `2025-11`."""
    return {key: item for key, item in json_object.items() if FIRST_MONTH_BY_KEY.get(key, "") <= month}


def convert_message_to_month(message: Mapping[str, Any], month: str) -> dict[str, Any]:
    """Return a message in the form that messages had in `month`.

    Before October 2025 a message began with its id, and `model` came after `role`.
    """
    kept = remove_keys_newer_than_month(message, month)
    if month >= _FIRST_MONTH_WITH_MODEL_BEFORE_ID:
        return kept
    order = ("id", "type", "role", "model")
    return {key: kept[key] for key in (*order, *(key for key in kept if key not in order))}


def convert_delta_usage_to_month(usage: Mapping[str, Any], month: str) -> dict[str, Any]:
    """Return the `usage` of the event `message_delta` in the form that it had in `month`.

    Before August 2025 it had only the output tokens.
    """
    kept = remove_keys_newer_than_month(usage, month)
    return kept if month >= _FIRST_MONTH_OF_INPUT_IN_DELTA else {"output_tokens": kept["output_tokens"]}
