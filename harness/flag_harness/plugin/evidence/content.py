"""Decide how much of the traffic of failed tests a run keeps, and hide secrets and personal data in what it keeps."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flag_harness.cassette import Filters
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.wire.timeline import Request, Response

_COMMON_PERSONAL_DATA_PATTERNS = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "phone": r"(?<!\w)\+\d[\d ().-]{6,16}\d",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
    "social_security": r"\b\d{3}-\d{2}-\d{4}\b",
}
"""Patterns of personal data that `masked` hides even if the project declares no detector for it."""
_CARD_NUMBER_PATTERN = re.compile(r"\b[3-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3,4}\b")


def is_evidence_wanted(config: pytest.Config) -> bool:
    """Return whether the command line asks for a record or a report."""
    return any(config.getoption(name) is not None for name in ("--harness-record", "--harness-report"))


def evidence_content_level(config: pytest.Config) -> str:
    """Return how much of the traffic of failed tests the run keeps: `full`, `masked`, or `none`.

    It is `none` if the run writes neither a record nor a report.
    """
    if not is_evidence_wanted(config):
        return "none"
    chosen: str | None = config.getoption("--harness-report-content")
    return chosen or ("masked" if os.environ.get("CI", "").lower() not in ("", "false", "0") else "full")


def evidence_filters(filters: "Filters", content_level: str) -> "Filters":
    """Return the filters for the traffic that the run keeps of failed tests.

    They hide keys, and everything that one of the project's detectors of personal data finds, even if the detector is
    set to warn only. Unless `content_level` is `full`, they also hide what looks like an e-mail address, or a
    telephone, account, card or social security number.
    """
    from flag_harness.cassette import Filters
    from flag_harness.cassette.redact.detectors import Detector, PatternFinder
    from flag_harness.cassette.redact.keys.named_values import KINDS_KNOWN_BY_NAME
    from flag_harness.cassette.redact.keys.shapes import KEY_SHAPES

    detectors = [replace(detector, action="mask") for detector in filters.detectors]
    detectors.append(Detector("key", _api_key_spans))
    if content_level != "full":
        detectors += [
            Detector(name, PatternFinder(pattern)) for name, pattern in _COMMON_PERSONAL_DATA_PATTERNS.items()
        ]
        detectors.append(Detector("card", _card_number_spans))
    named = tuple(KEY_SHAPES[kind] for kind in sorted(KINDS_KNOWN_BY_NAME))
    patterns = (*filters.patterns, *named)
    return Filters(filters.headers, filters.query, filters.json, patterns, tuple(detectors))


def find_values_to_remove(filters: "Filters", exchanges: "Iterable[tuple[Request, Response]]") -> tuple[str, ...]:
    """Return the values that filters remove from named headers, query parameters and JSON paths, longest first.

    The caller hides these values in other texts too. Patterns and detectors find their values in any text, so they are
    not applied here.
    """
    from flag_harness.cassette import Filters

    by_name = Filters(filters.headers, filters.query, filters.json)
    found = {value for exchange in exchanges for value in by_name.secrets(*exchange)}
    return tuple(sorted(found, key=len, reverse=True))


def make_evidence_mask(config: pytest.Config, traffic: "CassetteTraffic") -> Callable[[str], str]:
    """Return a function that hides secrets in a text: every value that the filters removed from the test's traffic.

    If the run writes a record or a report, the function also hides what `evidence_filters` hide.
    """
    if not is_evidence_wanted(config):
        return traffic.mask
    filters = evidence_filters(traffic.plan.filters, evidence_content_level(config))
    return lambda text: traffic.mask(filters.filter_text(text))


def _api_key_spans(text: str) -> Iterator[tuple[int, int]]:
    from flag_harness.cassette.redact.keys.search import find_api_keys

    return ((start, stop) for start, stop, _ in find_api_keys(text))


def _card_number_spans(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _CARD_NUMBER_PATTERN.finditer(text) if _has_valid_check_digit(match[0]))


def _has_valid_check_digit(card_number: str) -> bool:
    """Return whether the last digit of a card number is right (Luhn's algorithm)."""
    digits = [int(character) for character in reversed(card_number) if character.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
