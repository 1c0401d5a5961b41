"""Compare the runs of tests under their combinations, from traffic or cassettes, and describe what each
flag changes.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from flag_harness.analysis.effects.attribution import FlagEffect, FlagEffectAttribution, attribute_effects
from flag_harness.analysis.effects.packed_requests import PackedRequests
from flag_harness.analysis.effects.paired_runs import ObservedRun
from flag_harness.analysis.effects.request_changes import SentRequest, simplify_requests
from flag_harness.cassette import Cassette
from flag_harness.cassette.match.matching import decode_comparable_body
from flag_harness.flag import Flag
from flag_harness.matrix import flag_space, node_id_without_combination, parse_combination
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Request, Response
from flag_harness.wording import count_with_noun

_COMPARED_HEADER_PREFIX = "anthropic-"
_DIGITS_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_MAX_COMPARED_TEXT = 100_000
"""The longest text of a recorded request in characters that is compared as a whole. Longer texts are cut."""


def list_sent_requests(exchanges: Iterable[tuple[Request, Response]]) -> tuple[SentRequest, ...]:
    """Return the requests of a test in the form that `attribute_effects` compares.

    Host names are removed, and so are texts that the API wrote, such as earlier answers.
    """
    decoded = map(_request_and_answer_blocks, exchanges)  # one by one, because a conversation repeats its texts
    return tuple(simplify_requests(decoded))


def _request_and_answer_blocks(exchange: tuple[Request, Response]) -> tuple[SentRequest, Sequence[Any]]:
    """Return `(request, content blocks of the answer)`, the request in the form in which requests are compared."""
    request, response = exchange
    headers = tuple(header for header in request.headers if header[0].startswith(_COMPARED_HEADER_PREFIX))
    sent = SentRequest(request.method, request.path, headers, decode_comparable_body(request.body))
    return sent, parse_response(decompress_response(response)).blocks


def attribute_effects_from_cassettes(cassettes: Iterable[Cassette], flags: Sequence[Flag]) -> FlagEffectAttribution:
    """Find out what each flag changes, from cassettes alone, by comparing those of one test under several combinations.

    A cassette is skipped if it does not say under which combination of `flags` it was recorded.
    """
    tests: dict[str, list[ObservedRun]] = {}
    for name, run in filter(None, map(partial(_test_name_and_run, flags), cassettes)):
        tests.setdefault(name, []).append(run)
    return attribute_effects(flag_space(tuple(flags)), tests)


def _test_name_and_run(flags: Sequence[Flag], cassette: Cassette) -> tuple[str, ObservedRun] | None:
    """Return the name of a recorded test and its run, or None if the cassette's combination does not belong to `flags`.

    To save memory, very long texts are cut, and the requests of a large cassette are compressed.
    """
    metadata = cassette.metadata
    combination = parse_combination(flags, metadata.combination)
    if combination is None or metadata.excluded_from_effects:
        return None
    own = (one for one in cassette.interactions if one.case in ("", metadata.case))
    requests = simplify_requests(_request_and_answer_blocks((one.request, one.response)) for one in own)
    cut = (replace(request, body=_cut_long_texts(request.body)) for request in requests)
    kept = tuple(cut) if isinstance(cassette.interactions, tuple) else PackedRequests(cut)
    return node_id_without_combination(metadata.case, metadata.combination), ObservedRun(combination.row, kept)


def _cut_long_texts(value: Any) -> Any:
    """Return a JSON value in which each very long text is cut.

    A hash of the whole text is added, so that changes are noticed.
    """
    if isinstance(value, dict):
        return {key: _cut_long_texts(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_cut_long_texts(part) for part in value]
    if not isinstance(value, str) or len(value) <= _MAX_COMPARED_TEXT:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    letters = digest.translate(_DIGITS_TO_LETTERS)  # hexadecimal digits would pass for an id, whose changes are ignored
    return f"{value[:_MAX_COMPARED_TEXT]}... {letters}"


def flag_effect_lines(
    attribution: FlagEffectAttribution, reasons: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """Return lines about the effects of flags, the flags that changed nothing, and the runs that were not compared.

    Each effect has a line, grouped by flag. Each flag that changed nothing has a line with its reason from `reasons`.
    The last line counts the pairs of runs that were not compared, by the reason.
    """
    settings: dict[str, list[FlagEffect]] = {}
    for effect in attribution.effects:
        settings.setdefault(effect.setting, []).append(effect)
    width = max(map(len, settings), default=0)
    lines = [
        f"{setting if not index else '':<{width}}  {effect}"
        for setting, effects in settings.items()
        for index, effect in enumerate(effects)
    ]
    return [
        *lines,
        *inert_flag_lines(attribution.pairs_by_inert_flag, reasons),
        *_not_compared_lines(attribution.excluded_pair_count_by_reason),
    ]


def unread_flag_lines(unread: Mapping[str, object]) -> list[str]:
    """Return one line for each flag that seems to change something although no code reads its variable.

    `unread` has, by the flag's name, the finding that its variable is not read.
    """
    return [
        f"{name}: {reason} So its changes come from something else: what one run leaves to the next, or a random text"
        for name, reason in unread.items()
    ]


def _not_compared_lines(left_out: Mapping[str, int]) -> list[str]:
    """Return a line that counts the pairs of runs that were not compared, by the reason.

    Return no line if there are none.
    """
    if not left_out:
        return []
    count = count_with_noun(sum(left_out.values()), "pair")
    return [f"not compared: {count} of runs ({', '.join(f'{pairs} {why}' for why, pairs in left_out.items())})"]


def inert_flag_lines(inert: Mapping[str, int], reasons: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return one line for each flag that changed no request, with its reason from `reasons` if there is one.

    `inert` has the number of compared pairs of runs for each such flag.
    """
    return [
        f"{name}: changed no request in {pairs} of {pairs} pairs" + (f"; {reasons[name]}" if name in reasons else "")
        for name, pairs in inert.items()
    ]
