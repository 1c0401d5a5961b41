"""Rules for cache marks (`cache_control`)."""

from flag_harness.simulator.rules.request import ParsedRequest

MAX_CACHE_MARKS = 4


def check_cache_mark_count(request: ParsedRequest) -> str | None:
    """Return the error message for more than four cache marks, or None.

    The mark at the top level of the body (automatic caching) counts, too.
    """
    found = len(request.marked_blocks) + bool(request.body.get("cache_control"))
    if found <= MAX_CACHE_MARKS:
        return None
    return f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. Found {found}."


def check_cache_marks_on_empty_text(request: ParsedRequest) -> str | None:
    """Return the error message for a cache mark on an empty text block, or None."""
    for path, block in request.marked_blocks:
        if block.get("type") == "text" and not block["text"]:
            return f"{path}.text: cache_control cannot be set for empty text blocks"
    return None


def check_cache_mark_lifetimes(request: ParsedRequest) -> str | None:
    """Return the error message for a one-hour cache mark after a five-minute one, or None.

    The mark at the top level of the body counts as the last.
    """
    short_seen = False
    for path, block in (*request.marked_blocks, ("", request.body)):
        mark = block.get("cache_control")
        if not mark:
            continue
        if mark.get("ttl") == "1h" and short_seen:
            where = f"{path}.cache_control.ttl".removeprefix(".")
            return (
                f"{where}: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                "`messages`."
            )
        short_seen = short_seen or mark.get("ttl") != "1h"
    return None
