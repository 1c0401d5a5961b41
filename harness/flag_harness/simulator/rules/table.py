"""All rules in the order in which the API checks them, each with the source of its message."""

from collections.abc import Iterable
from typing import Any, TypeVar

from flag_harness.simulator.rules import body, context_edits, http_request, parameters
from flag_harness.simulator.rules.content import cache_marks, citations, media, messages, thinking
from flag_harness.simulator.rules.request import ApiRule, IncomingRequest, ParsedRequest, RefusedRequest
from flag_harness.simulator.rules.tools import calls, definitions, options, schemas, server_calls

_AUTHENTICATION_ERROR_TYPE, _NOT_FOUND_ERROR_TYPE = "authentication_error", "not_found_error"
HTTP_RULES: tuple[ApiRule[IncomingRequest], ...] = (
    ApiRule("the path exists", http_request.check_path, "ours", "2026-11", 404, _NOT_FOUND_ERROR_TYPE),
    ApiRule("the method fits the path", http_request.check_method, "ours", "2026-11", 405),
    ApiRule(
        "the body is at most 32 MB",
        http_request.check_body_size,
        "quoted by users",
        "2025-04",
        413,
        "request_too_large",
    ),
    ApiRule(
        "the API key is valid",
        http_request.check_api_key_allowed,
        "recorded",
        "2025-01",
        401,
        _AUTHENTICATION_ERROR_TYPE,
    ),
    ApiRule(
        "there is an API key",
        http_request.check_api_key_present,
        "quoted by users",
        "2024-08",
        401,
        _AUTHENTICATION_ERROR_TYPE,
    ),
    ApiRule("there is an API version", http_request.check_api_version, "quoted by users", "2024-01"),
    ApiRule("the content type is JSON", http_request.check_content_type, "ours", "2026-11"),
    ApiRule("all betas exist", http_request.check_betas, "quoted by users", "2026-06"),
    ApiRule("the page size is from 1 to 1000", http_request.check_page_size, "documented", "2026-11"),
    ApiRule(
        "the requested models exist", http_request.check_models_exist, "recorded", "2025-12", 404, _NOT_FOUND_ERROR_TYPE
    ),
)
"""The rules that are checked before the body is read."""
BODY_RULES: tuple[ApiRule[IncomingRequest], ...] = (
    ApiRule("the body is JSON", body.check_json, "quoted by users", "2025-06"),
    ApiRule("the body is not nested too deeply", body.check_nesting, "ours", "2026-11"),
    ApiRule("the body is an object", body.check_body_is_object, "ours", "2026-11"),
    ApiRule("the scenario allows all parameters", body.check_parameters_refused_by_scenario, "ours", "2026-11"),
    ApiRule("the body has a valid shape", body.check_body_shape, "recorded", "2026-01"),
    ApiRule("the model exists", body.check_model, "recorded", "2025-12", 404, _NOT_FOUND_ERROR_TYPE),
)
"""The rules that are checked on the decoded body, before its shape is known to be valid."""
PARSED_RULES: tuple[ApiRule[ParsedRequest], ...] = (
    ApiRule("there is a message", messages.check_messages_present, "quoted by users", "2024-03"),
    ApiRule("no message is empty", messages.check_messages_have_content, "recorded", "2024-06"),
    ApiRule("the model supports system messages", messages.check_system_messages, "quoted by users", "2026-06"),
    ApiRule("fields have the beta they need", parameters.check_beta_fields, "quoted by users", "2025-06"),
    ApiRule("tool types exist", definitions.check_tool_types, "quoted by users", "2025-03"),
    ApiRule(
        "the API's own tools match their definition", definitions.check_anthropic_tools, "quoted by users", "2026-11"
    ),
    ApiRule("the model supports the tool versions", options.check_tool_versions, "quoted by users", "2025-09"),
    ApiRule("domains are allowed or blocked, not both", options.check_domain_lists, "documented", "2026-11"),
    ApiRule("a tool is loaded at once", options.check_deferred_tools, "documented", "2026-11"),
    ApiRule("tools that code calls have no options against it", options.check_tool_callers, "documented", "2026-11"),
    ApiRule("MCP servers have a toolset", options.check_mcp_servers, "quoted by users", "2026-09"),
    ApiRule("context edits exist", context_edits.check_context_edits, "quoted by users", "2026-02"),
    ApiRule("tool names are unique", definitions.check_unique_tool_names, "quoted by users", "2024-11"),
    ApiRule("input schemas are valid", schemas.check_schemas, "quoted by users", "2026-08"),
    ApiRule("property names are short and plain", schemas.check_property_keys, "quoted by users", "2025-05"),
    ApiRule("input schemas have no union at the top", schemas.check_schema_roots, "quoted by users", "2025-09"),
    ApiRule("temperature from 0 to 1", parameters.check_temperature, "recorded", "2025-11"),
    ApiRule("top_p from 0 to 1", parameters.check_top_p, "quoted by users", "2026-11"),
    ApiRule(
        "temperature or top_p, not both",
        parameters.check_temperature_and_top_p_not_combined,
        "quoted by users",
        "2025-10",
    ),
    ApiRule("stop sequences have words", parameters.check_stop_sequences, "quoted by users", "2024-05"),
    ApiRule("max_tokens is within the model's limit", parameters.check_max_tokens, "quoted by users", "2025-02"),
    ApiRule("the model supports the type of thinking", parameters.check_thinking_type, "quoted by users", "2026-04"),
    ApiRule("the thinking budget is below max_tokens", parameters.check_thinking_budget, "quoted by users", "2025-02"),
    ApiRule(
        "temperature is 1 while thinking", parameters.check_temperature_while_thinking, "quoted by users", "2025-02"
    ),
    ApiRule("thinking allows top_k and top_p", parameters.check_sampling_while_thinking, "quoted by users", "2025-03"),
    ApiRule(
        "the model supports sampling parameters", parameters.check_sampling_supported, "quoted by users", "2026-04"
    ),
    ApiRule(
        "no tool is forced while thinking", parameters.check_tool_choice_while_thinking, "quoted by users", "2025-02"
    ),
    ApiRule("the model supports the effort level", parameters.check_effort_level, "recorded", "2026-04"),
    ApiRule("a tool choice has tools", definitions.check_tool_choice_has_tools, "quoted by users", "2026-11"),
    ApiRule("the forced tool exists", definitions.check_forced_tool, "quoted by users", "2024-06"),
    ApiRule("referenced tools exist", options.check_tool_references, "documented", "2026-11"),
    ApiRule("an output format is given once", citations.check_one_output_format_field, "ours", "2026-11"),
    ApiRule("output formats exclude citations", citations.check_no_format_with_citations, "documented", "2026-11"),
    ApiRule(
        "citations are for all documents or none", citations.check_citations_of_all_documents, "documented", "2026-11"
    ),
    ApiRule("at most four cache marks", cache_marks.check_cache_mark_count, "quoted by users", "2024-08"),
    ApiRule(
        "no cache mark on an empty text", cache_marks.check_cache_marks_on_empty_text, "quoted by users", "2024-10"
    ),
    ApiRule("one-hour marks come first", cache_marks.check_cache_mark_lifetimes, "quoted by users", "2025-05"),
    ApiRule("no text block is empty", messages.check_empty_text, "quoted by users", "2024-06"),
    ApiRule("no message is only white space", messages.check_whitespace_messages, "quoted by users", "2025-01"),
    ApiRule("media can be read", media.check_media_data, "quoted by users", "2025-12"),
    ApiRule("images are small enough", media.check_image_dimensions, "quoted by users", "2025-08"),
    ApiRule("there are few enough images and pages", media.check_media_count, "quoted by users", "2025-12"),
    ApiRule("the model supports prefill", messages.check_prefill, "recorded", "2026-07"),
    ApiRule("output formats exclude prefill", citations.check_no_format_with_prefill, "documented", "2026-11"),
    ApiRule("prefill does not end with white space", messages.check_prefill_whitespace, "quoted by users", "2024-03"),
    ApiRule("assistants call tools and users send results", calls.check_block_roles, "quoted by users", "2026-02"),
    ApiRule("tool results have content of their own", calls.check_tool_result_content, "quoted by users", "2024-05"),
    ApiRule("tool call ids are unique", calls.check_unique_call_ids, "quoted by users", "2025-05"),
    ApiRule("every tool result has a call", calls.check_tool_results_have_calls, "quoted by users", "2024-06"),
    ApiRule("every tool call has a single result", calls.check_single_result_per_call, "quoted by users", "2026-06"),
    ApiRule("every tool call has a result", calls.check_tool_calls_have_results, "quoted by users", "2024-06"),
    ApiRule(
        "server tool results have a call", server_calls.check_server_results_have_calls, "quoted by users", "2026-07"
    ),
    ApiRule(
        "every server tool call has a result", server_calls.check_server_calls_have_results, "documented", "2026-11"
    ),
    ApiRule("tool loops start with thinking", thinking.check_thinking_before_tools, "quoted by users", "2025-02"),
    ApiRule("thinking needs to be enabled", thinking.check_prefilled_thinking, "quoted by users", "2025-07"),
    ApiRule("the latest thinking is unchanged", thinking.check_latest_thinking, "quoted by users", "2026-01"),
    ApiRule("thinking signatures are valid", thinking.check_thinking_signatures, "quoted by users", "2025-03"),
    ApiRule("no message ends with thinking", thinking.check_thinking_is_not_last, "quoted by users", "2025-12"),
    ApiRule("at most 20 strict tools", schemas.check_strict_tool_count, "recorded", "2026-07"),
    ApiRule("at most 24 optional parameters", schemas.check_optional_parameter_count, "recorded", "2026-07"),
    ApiRule("at most 16 union parameters", schemas.check_union_parameter_count, "recorded", "2026-07"),
    ApiRule("schemas can be compiled", schemas.check_schemas_compile, "recorded", "2026-07"),
    ApiRule("schemas are simple enough to compile", schemas.check_schema_complexity, "recorded", "2026-07"),
    ApiRule("the prompt fits the context window", parameters.check_prompt_length, "recorded", "2024-07"),
    ApiRule(
        "prompt and max_tokens fit the context window", parameters.check_context_window, "quoted by users", "2025-02"
    ),
)
"""The rules that are checked on a parsed body, whose shape is known to be valid."""
RULES: tuple[ApiRule[Any], ...] = (*HTTP_RULES, *BODY_RULES, *PARSED_RULES)
CheckedRequestType = TypeVar("CheckedRequestType")


def find_refusal(request: CheckedRequestType, rules: Iterable[ApiRule[CheckedRequestType]]) -> RefusedRequest | None:
    """Return the error for the first rule that the request breaks, or None if it breaks none."""
    for rule in rules:
        words = rule.find_error(request)
        if words is not None:
            return RefusedRequest(rule.name, rule.error_status, rule.error_type, words)
    return None
