"""Rules for citations and output formats, and for settings that cannot be used with them."""

from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.simulator.rules.request import ParsedRequest

_CITABLE_BLOCK_TYPES = ("document", "search_result")


def check_no_format_with_citations(request: ParsedRequest) -> str | None:
    """Return the error message for an output format together with citations, or None."""
    field = _output_format_field(request)
    cited = field and any(_enables_citations(block) for _, block in _citable_blocks(request))
    tools = field and any(_enables_citations(tool) for tool in request.body.get("tools") or ())
    return f"{field}: Citations cannot be used together with structured outputs." if cited or tools else None


def check_citations_of_all_documents(request: ParsedRequest) -> str | None:
    """Return the error message for a request in which only some documents enable citations, or None.

    The same holds for search results.
    """
    for kind in _CITABLE_BLOCK_TYPES:
        blocks = [(path, block) for path, block in _citable_blocks(request) if block["type"] == kind]
        enabled = [_enables_citations(block) for _, block in blocks]
        if any(enabled) and not all(enabled):
            path = blocks[enabled.index(False)][0]
            return f"{path}.{kind}: Citations must be enabled for all {kind} blocks or for none."
    return None


def check_one_output_format_field(request: ParsedRequest) -> str | None:
    """Return the error message for a request that gives the output format in both the newer and the older field, or
    None.
    """
    both = request.body.get("output_format") and (request.body.get("output_config") or {}).get("format")
    return "output_format: Cannot be specified together with `output_config.format`." if both else None


def check_no_format_with_prefill(request: ParsedRequest) -> str | None:
    """Return the error message for an output format together with a final assistant message, or None.

    Source: the documentation of structured outputs.
    """
    field = _output_format_field(request)
    last = request.body["messages"][-1]
    if not field or last["role"] != "assistant" or request.signatures.is_paused_answer(last):
        return None
    return f"{field}: Prefilling the assistant message cannot be used together with structured outputs."


def _output_format_field(request: ParsedRequest) -> str:
    """Return the name of the field with the output format, or an empty string if there is none."""
    if request.body.get("output_format"):
        return "output_format"
    return "output_config.format" if (request.body.get("output_config") or {}).get("format") else ""


def _citable_blocks(request: ParsedRequest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the blocks that can be cited (documents and search results), each with its path."""
    return ((path, block) for path, block in request.blocks() if block.get("type") in _CITABLE_BLOCK_TYPES)


def _enables_citations(block: Mapping[str, Any]) -> bool:
    """Return whether a block enables citations."""
    return bool((block.get("citations") or {}).get("enabled"))
