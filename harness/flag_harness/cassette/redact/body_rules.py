"""Filters for bodies, compiled, and the edits (replacements of parts of a text) that redact what they match."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from flag_harness.cassette.redact.body_texts import BodyText, body_texts, parse_json_parts
from flag_harness.cassette.redact.detectors import Detector
from flag_harness.cassette.redact.edits import (
    REDACTED,
    TextEdit,
    convert_to_document_edits,
    merge_edits,
    split_edits_by_part,
)
from flag_harness.cassette.redact.encodings import find_redaction_edits
from flag_harness.errors import ConfigError
from flag_harness.wire.json_paths import json_path_pattern


@dataclass(frozen=True, slots=True)
class BodyRules:
    """Compiled filters for bodies: JSON paths, regular expressions, and detectors of personal data."""

    path_patterns: tuple[re.Pattern[str], ...]
    patterns: tuple[re.Pattern[str], ...]
    detectors: tuple[Detector, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.path_patterns or self.patterns or self.detectors)

    def has_rule_for(self, paths: Iterable[str]) -> bool:
        """Return whether a filter by JSON path applies to one of these paths."""
        return any(rule.match(path) for rule in self.path_patterns for path in paths)

    def find_pattern_matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield `(start, stop, pattern)` for each match of a filter's pattern in a text."""
        return ((*match.span(), pattern.pattern) for pattern in self.patterns for match in pattern.finditer(text))

    def text_edits(self, text: str) -> list[TextEdit]:
        """Return the edits that redact a text. Secrets are also found if they are escaped, in base64 or in gzip."""
        edits = find_redaction_edits(text, self.find_pattern_matches) if self.patterns else []
        found = [edit for detector in self.detectors for edit in detector.redaction_edits(text)]
        return merge_edits([*edits, *found]) if found else edits

    def body_edits(self, body: str) -> list[TextEdit]:
        """Return the edits that redact a whole body, sorted by position."""
        return sorted(self._edits_of_document(body, body_texts(body)))

    def find_values_to_remove(self, document: str) -> Iterator[str]:
        """Yield the values in a body that the filters remove."""
        for text in body_texts(document):
            for start, stop, _ in self._body_text_edits(text, False):
                yield text.value[start:stop]

    def _edits_of_document(
        self, document: str, texts: Iterable[BodyText], redact_all: bool = False
    ) -> Iterator[TextEdit]:
        """Yield the edits that redact a document, given its `texts` (strings, keys, numbers).

        A text is redacted as a whole if `redact_all` is set, or if a pattern that contains quotes matches across the
        text.
        """
        spanned = [
            match.span()
            for pattern in self.patterns
            if '"' in pattern.pattern
            for match in pattern.finditer(document)
            if '"' in match[0]
        ]
        for text in texts:
            is_whole = redact_all or any(
                part.start < stop and part.stop > start for part in text.parts for start, stop in spanned
            )
            changes = split_edits_by_part(
                [len(part.value) for part in text.parts], self._body_text_edits(text, is_whole)
            )
            for part, edits in zip(text.parts, changes, strict=True):
                if edits and not part.is_fixed:
                    yield from convert_to_document_edits(part, edits, document)

    def _body_text_edits(self, text: BodyText, redact_all: bool) -> list[TextEdit]:
        """Return the edits that redact one text of a body; all of it if `redact_all`.

        JSON inside the text stays valid JSON.
        """
        value = text.value
        if text.is_json and (inner := parse_json_parts(value)) is not None:
            return sorted(
                self._edits_of_document(value, [part.to_body_text(*text.paths) for part in inner], redact_all)
            )
        if redact_all or self.has_rule_for(text.paths):
            return [TextEdit(0, len(value), REDACTED)] if value else []
        return self.text_edits(value)


@lru_cache(maxsize=64)
def compile_body_rules(paths: tuple[str, ...], patterns: tuple[str, ...], detectors: tuple[Detector, ...]) -> BodyRules:
    """Compile filters into rules. Raise `ConfigError` if a path or a pattern is invalid."""
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ConfigError(f"filters: the pattern {pattern!r} is not a regular expression: {error}") from None
    try:
        return BodyRules(tuple(map(json_path_pattern, paths)), tuple(compiled), detectors)
    except ValueError as error:
        raise ConfigError(f"filters: {error}") from None
