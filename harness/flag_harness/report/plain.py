"""A report as plain dictionaries and lists, for JSON."""

from typing import Any

import msgspec

from flag_harness.analysis.effects.figures import MetricEffect
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow
from flag_harness.report.cache_map import cache_use_to_json
from flag_harness.report.flags.summary import FlagSummary, flag_summaries
from flag_harness.report.json_keys import to_json_object
from flag_harness.report.metrics import effect_to_json
from flag_harness.report.run_report import RunReport

FORMAT_VERSION = 1
"""The version of this JSON format. It is raised if older readers would misread a file."""


def report_to_json(report: RunReport) -> dict[str, Any]:
    """Return the report as dictionaries, lists, strings and numbers for JSON."""
    return {
        "flag_harness_report": FORMAT_VERSION,
        "headline": report.headline,
        "outcomes": dict(report.outcome_counts),
        "is_simulated": report.is_simulated,
        "header": msgspec.to_builtins(report.record.header),
        "problem": report.record.problem,
        "combinations": list(report.combinations),
        "causes": [{**to_json_object(cause), "is_certain": cause.is_certain} for cause in report.causes],
        "unblamed": [to_json_object(one) for one in report.excluded_runs],
        "api_refusals": [to_json_object(one) for one in report.api_refusals],
        "failures": [
            {"reason": group.reason, "places": group.failing_lines, "cases": [row.case for row in group.rows]}
            for group in report.failure_groups
        ],
        "flags": [_flag_as_json(summary, report) for summary in flag_summaries(report)],
        "request_effects": [to_json_object(one) for one in report.request_effects],
        "effects": [_effect_as_json(effect) for effect in report.effects],
        "logs": [to_json_object(entry) for entry in report.log_entries],
        "cache": cache_use_to_json(report.rows),
        "sweep": to_json_object(report.sweep_table),
        "recordings": report.answer_source_line,
        "conversations": [msgspec.to_builtins(one) for one in report.conversations.values()],
        "rows": [_row_as_json(row) for row in report.rows],
    }


def _flag_as_json(summary: FlagSummary, report: RunReport) -> dict[str, Any]:
    """Return what a flag breaks and costs, as plain values. Means are per run of one test."""
    figures = summary.figures
    return {
        "setting": summary.setting,
        "breaks": [cause.condition_text for cause in summary.causes_with_flag],
        "prevents": [cause.condition_text for cause in summary.causes_without_flag],
        "changes_no_request": summary.is_inert,
        "costs": {cell.figure_name: cell.text for cell in figures.cells},
        "means_per_run": {
            one.figure_name: {"without": one.without_flag, "with": one.with_flag}
            for cell in figures.cells
            for one in cell.means
        },
        "is_simulated": any(one.is_simulated for one in report.effects if one.setting_text == summary.setting),
        "tests_compared": figures.test_count,
        "pairs": figures.pair_count,
        "pairs_compared": figures.compared_pair_count,
        "pairs_left_out": [
            {"reason": one.reason, "pairs_by_test": dict(one.counts_by_test)} for one in figures.left_out_pairs
        ],
    }


def _effect_as_json(effect: MetricEffect) -> dict[str, Any]:
    return {**effect_to_json(effect), "text": str(effect)}


def _row_as_json(row: RunRow) -> dict[str, Any]:
    return {"test": node_id_without_combination(row.case, row.combination), **row.to_builtins()}
