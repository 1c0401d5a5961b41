"""All rules, in the order in which the API checks them, each with the source of its message."""

from collections.abc import Iterable
from typing import Any, TypeVar

from flag_harness.simulator.rules import (
    body,
    cache_marks,
    http_request,
    messages,
    parameters,
    schemas,
    thinking,
    tool_calls,
    tools,
)
from flag_harness.simulator.rules.request import IncomingRequest, ParsedRequest, RefusedRequest, Rule

_AUTHENTICATION, _NOT_FOUND = "authentication_error", "not_found_error"
HTTP_RULES: tuple[Rule[IncomingRequest], ...] = (
    Rule("the path exists", http_request.check_path, "ours", "2026-11", 404, _NOT_FOUND),
    Rule("the method fits the path", http_request.check_method, "ours", "2026-11", 405),
    Rule("the body is at most 32 MB", http_request.check_size, "quoted by users", "2025-04", 413, "request_too_large"),
    Rule("the API key is valid", http_request.check_key, "recorded", "2025-01", 401, _AUTHENTICATION),
    Rule("there is an API key", http_request.check_key_present, "quoted by users", "2024-08", 401, _AUTHENTICATION),
    Rule("there is an API version", http_request.check_version, "quoted by users", "2024-01"),
    Rule("the content type is JSON", http_request.check_content_type, "ours", "2026-11"),
    Rule("all betas exist", http_request.check_betas, "quoted by users", "2026-06"),
    Rule("the page size is from 1 to 1000", http_request.check_page_size, "documented", "2026-11"),
    Rule("the requested models exist", http_request.check_listed_models, "recorded", "2025-12", 404, _NOT_FOUND),
)
"""Checked before the body is read."""
BODY_RULES: tuple[Rule[IncomingRequest], ...] = (
    Rule("the body is JSON", body.check_json, "quoted by users", "2025-06"),
    Rule("the body is not nested too deeply", body.check_nesting, "ours", "2026-11"),
    Rule("the body is an object", body.check_object, "ours", "2026-11"),
    Rule("the scenario allows all parameters", body.check_scenario_parameters, "ours", "2026-11"),
    Rule("the body has a valid shape", body.check_shape, "recorded", "2026-01"),
    Rule("the model exists", body.check_model, "recorded", "2025-12", 404, _NOT_FOUND),
)
"""Checked on the decoded body, before its fields are compared with each other."""
PARSED_RULES: tuple[Rule[ParsedRequest], ...] = (
    Rule("there is a message", messages.check_messages_present, "quoted by users", "2024-03"),
    Rule("no message is empty", messages.check_content, "recorded", "2024-06"),
    Rule("the model supports system messages", messages.check_system_messages, "quoted by users", "2026-06"),
    Rule("fields have the beta they need", parameters.check_beta_fields, "quoted by users", "2025-06"),
    Rule("tool types exist", tools.check_tool_types, "quoted by users", "2025-03"),
    Rule("the API's own tools match their definition", tools.check_anthropic_tools, "quoted by users", "2026-11"),
    Rule("tool names are unique", tools.check_unique_tool_names, "quoted by users", "2024-11"),
    Rule("input schemas are valid", schemas.check_schemas, "quoted by users", "2026-08"),
    Rule("temperature from 0 to 1", parameters.check_temperature, "recorded", "2025-11"),
    Rule("top_p from 0 to 1", parameters.check_top_p, "quoted by users", "2026-11"),
    Rule("temperature or top_p, not both", parameters.check_single_sampling, "quoted by users", "2025-10"),
    Rule("max_tokens is within the model's limit", parameters.check_max_tokens, "quoted by users", "2025-02"),
    Rule("the model supports the type of thinking", parameters.check_thinking_type, "quoted by users", "2026-04"),
    Rule("the thinking budget is below max_tokens", parameters.check_thinking_budget, "quoted by users", "2025-02"),
    Rule("temperature is 1 while thinking", parameters.check_thinking_temperature, "quoted by users", "2025-02"),
    Rule("the model supports sampling parameters", parameters.check_sampling_supported, "quoted by users", "2026-04"),
    Rule("no tool is forced while thinking", parameters.check_thinking_tool_choice, "quoted by users", "2025-02"),
    Rule("the model supports the effort level", parameters.check_effort, "recorded", "2026-04"),
    Rule("a tool choice has tools", tools.check_choice_has_tools, "quoted by users", "2026-11"),
    Rule("the forced tool exists", tools.check_forced_tool, "quoted by users", "2024-06"),
    Rule("at most four cache marks", cache_marks.check_mark_count, "quoted by users", "2024-08"),
    Rule("no cache mark on an empty text", cache_marks.check_marks_on_empty_text, "quoted by users", "2024-10"),
    Rule("one-hour marks come first", cache_marks.check_mark_lifetimes, "quoted by users", "2025-05"),
    Rule("no text block is empty", messages.check_empty_text, "quoted by users", "2024-06"),
    Rule("no message is only white space", messages.check_whitespace_messages, "quoted by users", "2025-01"),
    Rule("the model supports prefill", messages.check_prefill, "recorded", "2026-07"),
    Rule("prefill does not end with white space", messages.check_prefill_whitespace, "quoted by users", "2024-03"),
    Rule("assistants call tools and users send results", tool_calls.check_block_roles, "quoted by users", "2026-02"),
    Rule("tool call ids are unique", tool_calls.check_unique_call_ids, "quoted by users", "2025-05"),
    Rule("every tool result has a call", tool_calls.check_results_have_calls, "quoted by users", "2024-06"),
    Rule("every tool call has a single result", tool_calls.check_single_results, "quoted by users", "2026-06"),
    Rule("every tool call has a result", tool_calls.check_calls_have_results, "quoted by users", "2024-06"),
    Rule("every server tool call has a result", tool_calls.check_server_calls_have_results, "documented", "2026-11"),
    Rule("tool loops start with thinking", thinking.check_thinking_before_tools, "quoted by users", "2025-02"),
    Rule("the latest thinking is unchanged", thinking.check_latest_thinking, "quoted by users", "2026-01"),
    Rule("thinking signatures are valid", thinking.check_thinking_signatures, "quoted by users", "2025-03"),
    Rule("at most 20 strict tools", schemas.check_strict_tool_count, "recorded", "2026-07"),
    Rule("at most 24 optional parameters", schemas.check_optional_parameter_count, "recorded", "2026-07"),
    Rule("at most 16 union parameters", schemas.check_union_parameter_count, "recorded", "2026-07"),
    Rule("schemas can be compiled", schemas.check_schemas_compile, "recorded", "2026-07"),
    Rule("schemas are simple enough to compile", schemas.check_schema_complexity, "recorded", "2026-07"),
    Rule("the prompt fits the context window", parameters.check_prompt_length, "recorded", "2024-07"),
    Rule("prompt and max_tokens fit the context window", parameters.check_context_window, "quoted by users", "2025-02"),
)
"""Checked on a body with a valid shape."""
RULES: tuple[Rule[Any], ...] = (*HTTP_RULES, *BODY_RULES, *PARSED_RULES)
Checked = TypeVar("Checked")


def find_refusal(request: Checked, rules: Iterable[Rule[Checked]]) -> RefusedRequest | None:
    """Return the error of the first rule that the request breaks, or None."""
    for rule in rules:
        words = rule.check(request)
        if words is not None:
            return RefusedRequest(rule.name, rule.status, rule.type, words)
    return None
