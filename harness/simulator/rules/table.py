"""The rules in the order in which they are asked, each with where its words come from."""

from harness.simulator.rules import compiling, conversation, marks, pairing, parameters
from harness.simulator.rules.asked import Asked, Refusal, Rule

RULES: tuple[Rule, ...] = (
    Rule("some messages", conversation.some_messages, "quoted by users", "2024-03"),
    Rule("content is not empty", conversation.non_empty_content, "recorded", "2024-06"),
    Rule("system messages where the model takes them", conversation.system_messages, "quoted by users", "2026-06"),
    Rule("fields that a beta opens", parameters.beta_fields, "quoted by users", "2025-06"),
    Rule("known tools", parameters.known_tools, "quoted by users", "2025-03"),
    Rule("unique tools", parameters.unique_tools, "quoted by users", "2024-11"),
    Rule("schemas are JSON schemas", compiling.schemas_are_valid, "quoted by users", "2026-08"),
    Rule("temperature from 0 to 1", parameters.temperature_range, "recorded", "2025-11"),
    Rule("top_p from 0 to 1", parameters.top_p_range, "quoted by users", "2026-06"),
    Rule("temperature or top_p", parameters.one_sampling, "quoted by users", "2025-10"),
    Rule("max_tokens within the cap", parameters.max_tokens_cap, "quoted by users", "2025-02"),
    Rule("thinking of a kind that the model knows", parameters.thinking_kind, "quoted by users", "2026-04"),
    Rule("budget below max_tokens", parameters.budget_below_max_tokens, "quoted by users", "2025-02"),
    Rule("temperature while thinking", parameters.thinking_temperature, "quoted by users", "2025-02"),
    Rule("no sampling where the model takes none", parameters.no_sampling, "quoted by users", "2026-04"),
    Rule("no forced tool while thinking", parameters.thinking_leaves_tools_free, "quoted by users", "2025-02"),
    Rule("effort that the model knows", parameters.effort_level, "recorded", "2026-04"),
    Rule("a choice needs tools", parameters.choice_needs_tools, "quoted by users", "2026-03"),
    Rule("chosen tool exists", parameters.chosen_tool_exists, "quoted by users", "2024-06"),
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
    Rule("one result a call", pairing.single_results, "quoted by users", "2025-07"),
    Rule("calls are answered", pairing.calls_are_answered, "quoted by users", "2024-06"),
    Rule("servers' calls are answered", pairing.server_calls_are_answered, "quoted by users", "2026-07"),
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


def refusal(asked: Asked) -> Refusal | None:
    """What the first rule that is broken answers; None where the request is legal."""
    for rule in RULES:
        words = rule.check(asked)
        if words is not None:
            return Refusal(rule.name, rule.status, rule.type, words)
    return None
