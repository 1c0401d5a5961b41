"""Convert values to dictionaries for JSON. Some attributes have other keys there, which must stay as they are."""

from dataclasses import asdict
from typing import Any

_KEY_BY_ATTRIBUTE = {
    # the causes of failures
    "condition_text": "text",
    "rerun_command": "command",
    "run_combination_count": "ran",
    "allowed_combination_count": "allowed",
    "other_conditions": "others",
    "other_values": "others",
    "has_flaky_combinations": "has_flaky",
    "shown_node_id": "case",
    "reasons_with_tests": "reasons",
    # the effects of flags
    "change_text": "change",
    "changed_pair_count": "changed_pairs",
    "pair_count": "pairs",
    "old_value": "before",
    "new_value": "after",
    # sweeps
    "outcome_counts_by_kind": "kinds",
    "cause_counts": "causes",
    "counts_by_outcome": "counts",
    "trouble_count": "count",
    "example_trouble": "example",
    "location": "place",
    # the comparison of two runs
    "added_and_failing": "failing_additions",
    "no_longer_run": "missing",
    "new_misses_by_test": "new_misses",
    "change_lines": "changes",
    "node_id": "case",
    "node_ids": "cases",
    # logs
    "log_count": "count",
    "logging_tests": "tests",
}


def to_json_object(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, and of the dataclasses in it, by their keys in JSON."""
    return asdict(value, dict_factory=_rename_attributes)


def _rename_attributes(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_KEY_BY_ATTRIBUTE.get(name, name): value for name, value in fields}
