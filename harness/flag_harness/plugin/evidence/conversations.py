"""Keep the conversations of tests, without secrets and personal data, for the record and the report of the run."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.evidence.content import evidence_content_level, evidence_filters, make_evidence_mask
from flag_harness.plugin.evidence.kept_cassettes import run_record_path
from flag_harness.plugin.test.rows import attached_row

if TYPE_CHECKING:
    from flag_harness.analysis.conversation import ConversationStep
    from flag_harness.cassette import Cassette
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import RunRow
    from flag_harness.record.conversation import Conversation, MessagePart

_MAX_PART_CHARACTERS = 1_000_000
"""Texts with more characters are cut. The longest answer of a model, 128,000 tokens, is about half as long."""
_REPORT_ATTRIBUTE = "flag_harness_conversation"
"""The attribute of a report that holds the conversation. Workers send it as plain values."""


def attach_conversation(item: pytest.Item, report: pytest.TestReport, traffic: "CassetteTraffic") -> None:
    """Attach what a test sent and received to its report, unless the run keeps no conversations.

    Beside the run record, the conversations of failed tests are kept, and those of passing runs of the same tests with
    the most similar flags. A report in HTML or JSON contains all conversations.
    """
    content = evidence_content_level(item.config)
    if content == "none" or not traffic.exchanges or (row := attached_row(report)) is None:
        return
    is_kept = row.outcome == "failed" or (bool(row.values) and run_record_path(item.config) is not None)
    if not is_kept and not writes_report_with_conversations(item.config):
        return
    import msgspec

    conversation = build_conversation(item, traffic, content)
    setattr(report, _REPORT_ATTRIBUTE, msgspec.to_builtins(conversation))


def writes_report_with_conversations(config: pytest.Config) -> bool:
    """Return whether the run writes a report that contains the conversations of all tests: an HTML page or JSON."""
    report = config.getoption("--harness-report")
    return report is not None and report.suffix in (".html", ".json")


def attached_conversation(report: pytest.TestReport) -> "Conversation | None":
    """Return the conversation that is attached to a report, or None if there is none."""
    value = getattr(report, _REPORT_ATTRIBUTE, None)
    if value is None:
        return None
    import msgspec

    from flag_harness.record.conversation import Conversation

    return msgspec.convert(value, Conversation)


class ConversationStore:
    """The conversations of a run by the node id of their test. Equal parts are kept in memory once."""

    def __init__(self) -> None:
        self.by_case: dict[str, Conversation] = {}
        self._passages: dict[MessagePart, MessagePart] = {}

    def add_conversation(self, conversation: "Conversation") -> None:
        """Store a conversation under the node id of its test. It replaces an earlier conversation of the same test."""
        from msgspec.structs import replace

        turns = [
            replace(turn, request=self._share_equal_parts(turn.request), answer=self._share_equal_parts(turn.answer))
            for turn in conversation.turns
        ]
        self.by_case[conversation.case] = replace(conversation, turns=tuple(turns))

    def conversations_to_keep(self, rows: "Sequence[RunRow]") -> "Iterator[Conversation]":
        """Yield the conversations of failed runs, and of the passing runs with which a report compares them."""
        from flag_harness.report.cells.neighbours import nearest_passing_runs

        failed = [row for row in rows if row.outcome == "failed"]
        nearest = nearest_passing_runs(rows, only_failed=True).values()
        cases = dict.fromkeys(row.nodeid for row in (*failed, *nearest))
        return (self.by_case[case] for case in cases if case in self.by_case)

    def has_failed_run(self, rows: "Sequence[RunRow]") -> bool:
        """Return whether the store holds the conversation of a failed run of `rows`."""
        return any(row.nodeid in self.by_case for row in rows if row.outcome == "failed")

    def _share_equal_parts(self, passages: "tuple[MessagePart, ...]") -> "tuple[MessagePart, ...]":
        return tuple(self._passages.setdefault(passage, passage) for passage in passages)


def build_conversation(item: pytest.Item, traffic: "CassetteTraffic", content_level: str) -> "Conversation":
    """Return the conversation of a test, without what `evidence_filters` hides."""
    from flag_harness.analysis.conversation import conversation_steps
    from flag_harness.record.conversation import Conversation, ConversationTurn

    mask = make_evidence_mask(item.config, traffic)
    turns = []
    for step in conversation_steps(_filter_traffic(traffic, content_level)):
        request = [_make_message_part(role, block, mask) for role, block in step.new_content]
        answer = [_make_message_part("assistant", block, mask) for block in _answer_blocks(step)]
        ending = "no answer" if step.answer.status is None and step.answer_ending == "abandoned" else step.answer_ending
        turns.append(ConversationTurn(tuple(request), tuple(answer), ending))
    return Conversation(item.nodeid, tuple(turns))


def _filter_traffic(traffic: "CassetteTraffic", content_level: str) -> "Cassette":
    from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
    from flag_harness.cassette.interaction import make_storable_request

    filters = evidence_filters(traffic.plan.filters, content_level)
    interactions = tuple(
        filters.filter_interaction(Interaction(make_storable_request(request), response))
        for request, response in traffic.exchanges
    )
    return Cassette(CassetteMetadata("live", ""), interactions, traffic.plan.cassette_path)


def _answer_blocks(step: "ConversationStep") -> Iterator[Mapping[str, Any]]:
    yield from step.answer.blocks
    if step.answer.error is not None:
        yield {**step.answer.error, "type": "error", "kind": step.answer.error.get("type")}


def _make_message_part(role: str, block: Mapping[str, Any], mask: Callable[[str], str]) -> "MessagePart":
    from flag_harness.record.conversation import MessagePart

    kind = str(block.get("type", "tool" if role == "tools" else "?"))
    text = mask(_block_text(kind, block))
    cut = text if len(text) <= _MAX_PART_CHARACTERS else text[:_MAX_PART_CHARACTERS] + "…"
    return MessagePart(mask(role), mask(kind), cut, len(text))


def _block_text(kind: str, block: Mapping[str, Any]) -> str:
    """Return the text of a content block of the type `kind`, or its JSON without `type` and `cache_control`."""
    if kind in ("text", "thinking") and isinstance(block.get(kind), str):
        return str(block[kind])
    if kind == "tool_result" and isinstance(block.get("content"), str):
        return str(block["content"])
    rest = {name: value for name, value in block.items() if name not in ("type", "cache_control", "signature")}
    return json.dumps(rest, ensure_ascii=False, indent=1)
