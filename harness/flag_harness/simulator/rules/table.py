"""The rules in the order in which they are asked, each with where its words come from."""

from collections.abc import Iterable
from typing import Any, TypeVar

from flag_harness.simulator.rules import arrival, compiling, conversation, marks, pairing, parameters, tools
from flag_harness.simulator.rules.asked import Arrived, Asked, Refusal, Rule
from flag_harness.simulator.rules.shape import body

_AUTHENTICATION, _NOT_FOUND = "authentication_error", "not_found_error"
ARRIVAL_RULES: tuple[Rule[Arrived], ...] = (
    Rule("known paths", arrival.known_path, "ours", "2026-11", 404, _NOT_FOUND),
    Rule("known methods", arrival.known_method, "ours", "2026-11", 405),
    Rule("size", arrival.size, "quoted by users", "2025-04", 413, "request_too_large"),
    Rule("a right key", arrival.right_key, "recorded", "2025-01", 401, _AUTHENTICATION),
    Rule("a key", arrival.some_key, "quoted by users", "2024-08", 401, _AUTHENTICATION),
    Rule("a version", arrival.version, "quoted by users", "2024-01"),
    Rule("JSON by its content type", arrival.content_type, "ours", "2026-11"),
    Rule("known betas", arrival.known_betas, "quoted by users", "2026-06"),
    Rule("pages of models", arrival.page_size, "documented", "2026-11"),
    Rule("models that are listed", arrival.listed_models_exist, "recorded", "2025-12", 404, _NOT_FOUND),
)
"""What is asked before a body is read."""
BODY_RULES: tuple[Rule[Arrived], ...] = (
    Rule("JSON", body.valid_json, "quoted by users", "2025-06"),
    Rule("bounded nesting", body.bounded_nesting, "ours", "2026-11"),
    Rule("an object", body.an_object, "ours", "2026-11"),
    Rule("a scenario's refused parameters", body.open_parameters, "ours", "2026-11"),
    Rule("shape of the body", body.shape, "recorded", "2026-01"),
    Rule("known models", body.known_model, "recorded", "2025-12", 404, _NOT_FOUND),
)
"""What is asked of a body before its fields are held against each other."""
ASKED_RULES: tuple[Rule[Asked], ...] = (
    Rule("some messages", conversation.some_messages, "quoted by users", "2024-03"),
    Rule("content is not empty", conversation.non_empty_content, "recorded", "2024-06"),
    Rule("system messages where the model takes them", conversation.system_messages, "quoted by users", "2026-06"),
    Rule("fields that a beta opens", parameters.beta_fields, "quoted by users", "2025-06"),
    Rule("known tools", tools.known_tools, "quoted by users", "2025-03"),
    Rule("tools as they are defined", tools.defined_tools, "quoted by users", "2026-11"),
    Rule("unique tools", tools.unique_tools, "quoted by users", "2024-11"),
    Rule("schemas are JSON schemas", compiling.schemas_are_valid, "quoted by users", "2026-08"),
    Rule("temperature from 0 to 1", parameters.temperature_range, "recorded", "2025-11"),
    Rule("top_p from 0 to 1", parameters.top_p_range, "quoted by users", "2026-11"),
    Rule("temperature or top_p", parameters.one_sampling, "quoted by users", "2025-10"),
    Rule("max_tokens within the cap", parameters.max_tokens_cap, "quoted by users", "2025-02"),
    Rule("thinking of a kind that the model knows", parameters.thinking_kind, "quoted by users", "2026-04"),
    Rule("budget below max_tokens", parameters.budget_below_max_tokens, "quoted by users", "2025-02"),
    Rule("temperature while thinking", parameters.thinking_temperature, "quoted by users", "2025-02"),
    Rule("no sampling where the model takes none", parameters.no_sampling, "quoted by users", "2026-04"),
    Rule("no forced tool while thinking", parameters.thinking_leaves_tools_free, "quoted by users", "2025-02"),
    Rule("effort that the model knows", parameters.effort_level, "recorded", "2026-04"),
    Rule("a choice needs tools", tools.choice_needs_tools, "quoted by users", "2026-11"),
    Rule("chosen tool exists", tools.chosen_tool_exists, "quoted by users", "2024-06"),
    Rule("at most four cache marks", marks.at_most_four_marks, "quoted by users", "2024-08"),
    Rule("no cache mark on empty text", marks.no_mark_on_empty_text, "quoted by users", "2024-10"),
    Rule("one-hour marks first", marks.long_lifetimes_first, "quoted by users", "2025-05"),
    Rule("text is not empty", conversation.non_empty_text, "quoted by users", "2024-06"),
    Rule("a message is not white space alone", conversation.some_words, "quoted by users", "2025-01"),
    Rule("no prefill where the model takes none", conversation.no_prefill, "recorded", "2026-07"),
    Rule("no white space after a prefill", conversation.no_trailing_white_space, "quoted by users", "2024-03"),
    Rule("calls and results by who may write them", pairing.written_by_the_right_one, "quoted by users", "2026-02"),
    Rule("calls are unique", pairing.unique_calls, "quoted by users", "2025-05"),
    Rule("results answer calls", pairing.results_answer_calls, "quoted by users", "2024-06"),
    Rule("one result a call", pairing.single_results, "quoted by users", "2026-06"),
    Rule("calls are answered", pairing.calls_are_answered, "quoted by users", "2024-06"),
    Rule("servers' calls are answered", pairing.server_calls_are_answered, "documented", "2026-11"),
    Rule("thinking leads tool loops", marks.thinking_leads_tool_loops, "quoted by users", "2025-02"),
    Rule("thinking of the latest turn as it was", marks.latest_thinking_unchanged, "quoted by users", "2026-01"),
    Rule("thinking as issued", marks.thinking_as_issued, "quoted by users", "2025-03"),
    Rule("few strict tools", compiling.strict_tools_are_few, "recorded", "2026-07"),
    Rule("few optional parameters", compiling.optional_parameters_are_few, "recorded", "2026-07"),
    Rule("few union parameters", compiling.union_parameters_are_few, "recorded", "2026-07"),
    Rule("schemas compile", compiling.schemas_compile, "recorded", "2026-07"),
    Rule("schemas are simple", compiling.schemas_are_simple, "recorded", "2026-07"),
    Rule("prompt fits the window", parameters.prompt_length, "recorded", "2024-07"),
    Rule("prompt and answer fit the window", parameters.answer_fits, "quoted by users", "2025-02"),
)

"""What is asked of a body of the right shape."""
RULES: tuple[Rule[Any], ...] = (*ARRIVAL_RULES, *BODY_RULES, *ASKED_RULES)
Judged = TypeVar("Judged")


def refusal(judged: Judged, rules: Iterable[Rule[Judged]]) -> Refusal | None:
    """What the first rule that is broken answers; None where none is."""
    for rule in rules:
        words = rule.check(judged)
        if words is not None:
            return Refusal(rule.name, rule.status, rule.type, words)
    return None
