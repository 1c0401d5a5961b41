"""Find secrets in encoded texts: escaped, in base64, hexadecimal or UTF-16, compressed, or several of these at once."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from flag_harness.cassette.redact.edits import REDACTED, TextEdit, edit_text, merge_edits
from flag_harness.cassette.redact.encodings.compressed import EncodedSpan, find_compressed_spans
from flag_harness.cassette.redact.encodings.dumps import find_words_broken_over_lines
from flag_harness.cassette.redact.encodings.escapes import MAX_ENCODING_DEPTH, unescape_in_rounds
from flag_harness.cassette.redact.encodings.spans import (
    MIN_BASE64_LENGTH_TO_REDACT,
    MIN_BASE64_LENGTH_TO_SEARCH,
    find_encoded_spans,
)
from flag_harness.cassette.redact.keys.hints import find_letter_runs, make_letter_table

SecretFinder = Callable[[str], Iterable[tuple[int, int, str]]]
"""A function that yields `(start, stop, kind)` for every secret in a text that is not encoded."""
TEXT_SEPARATOR = " \x02 "
"""Put between texts that are joined to be searched together.

No match can include it, so none reaches over two texts.
"""

_PRINTABLE_TABLE, _MIN_PRINTABLE_LENGTH = make_letter_table("\t\r\n" + "".join(map(chr, range(32, 127)))), 12
"""A table for `find_letter_runs` that finds printable text in binary data, and the least length of such text.

Twelve random bytes are printable once in a hundred thousand times.
"""


def find_redaction_edits(
    text: str,
    find_secrets: SecretFinder,
    max_depth: int = MAX_ENCODING_DEPTH,
    is_text: bool = True,
    *,
    in_binary: bool = True,
    is_search: bool = False,
) -> list[TextEdit]:
    """Return the edits that redact everything that `find_secrets` finds in a text, in whatever encoding.

    `max_depth` limits the encodings inside each other. `is_text` is False for binary data. Without `in_binary`, only
    the printable parts of decoded binary data are searched, because ordinary words can be decoded as base64, too. With
    `is_search`, base64 that is too short for a key or contains no text is skipped.
    """
    edits: list[TextEdit] = []
    shortest = MIN_BASE64_LENGTH_TO_SEARCH if is_search else MIN_BASE64_LENGTH_TO_REDACT
    for level in unescape_in_rounds(text, is_text):
        found = list(
            find_secrets(level.text) if is_text or in_binary else _find_in_printable_parts(level.text, find_secrets)
        )
        edits += [_redaction_edit(text, *level.source_span(start, stop)) for start, stop, _ in found]
        words = find_words_broken_over_lines(level.text) if is_text and in_binary else ()
        for word in _words_without_findings(words, found):
            if any(True for _ in find_secrets(word.text)):
                edits.append(_redaction_edit(text, *level.source_span(word.start, word.stop)))
        for span in find_encoded_spans(level.text, shortest, is_search) if max_depth else ():
            if inner := find_redaction_edits(
                span.text, find_secrets, max_depth - 1, span.is_text, in_binary=in_binary, is_search=is_search
            ):
                new = span.encode(edit_text(span.text, inner))
                edits.append(TextEdit(*level.source_span(span.start, span.stop), new))
    return merge_edits(edits)


def _words_without_findings(
    words: Iterable[EncodedSpan], findings: list[tuple[int, int, str]]
) -> Iterator[EncodedSpan]:
    """Yield the words that do not overlap a finding. The words must be sorted by position."""
    spans = deque(sorted((start, stop) for start, stop, _ in findings))
    for word in words:
        while spans and spans[0][1] <= word.start:
            spans.popleft()
        if not spans or spans[0][0] >= word.stop:
            yield word


def _find_in_printable_parts(text: str, find_secrets: SecretFinder) -> Iterator[tuple[int, int, str]]:
    """Yield what `find_secrets` finds in the printable parts of binary data."""
    for first, last in find_letter_runs(text, _PRINTABLE_TABLE, _MIN_PRINTABLE_LENGTH):
        yield from ((first + start, first + stop, kind) for start, stop, kind in find_secrets(text[first:last]))


def find_first_secret(
    text: str, find_secrets: SecretFinder, max_depth: int = MAX_ENCODING_DEPTH, is_text: bool = True
) -> tuple[int, int, str, str] | None:
    """Return `(start, stop, kind, value)` of the first secret in a text, or None if there is none.

    `find_secrets` is applied to the text in each of its encodings. `max_depth` limits the encodings inside each other.
    `is_text` is False for binary data.
    """
    for level in unescape_in_rounds(text, is_text):
        for start, stop, kind in find_secrets(level.text):
            return *level.source_span(start, stop), kind, level.text[start:stop]
        for word in find_words_broken_over_lines(level.text) if is_text else ():
            for start, stop, kind in find_secrets(word.text):
                return *level.source_span(word.start, word.stop), kind, word.text[start:stop]
        for span in find_encoded_spans(level.text, MIN_BASE64_LENGTH_TO_SEARCH, True) if max_depth else ():
            if inner := find_first_secret(span.text, find_secrets, max_depth - 1, span.is_text):
                return *level.source_span(span.start, span.stop), *inner[2:]
    return None


def contains_secret(
    text: str, find_secrets: SecretFinder, max_depth: int = MAX_ENCODING_DEPTH, is_text: bool = True
) -> bool:
    """Return whether `find_secrets` finds anything in a text, in whatever encoding.

    For the parameters see `find_first_secret`.
    """
    if not is_text:
        return _has_finding_in_binary(text, find_secrets, max_depth)
    for level in unescape_in_rounds(text):
        if any(True for _ in find_secrets(level.text)):
            return True
        if any(
            True
            for _ in find_secrets(TEXT_SEPARATOR.join(word.text for word in find_words_broken_over_lines(level.text)))
        ):
            return True
        if max_depth and _has_finding_in_spans(
            find_encoded_spans(level.text, MIN_BASE64_LENGTH_TO_SEARCH, True), find_secrets, max_depth - 1
        ):
            return True
    return False


def _has_finding_in_binary(data: str, find_secrets: SecretFinder, max_depth: int) -> bool:
    """Return whether `find_secrets` finds anything in the printable parts of binary data, or in compressed data inside
    it.

    `max_depth` limits the encodings inside each other.
    """
    runs = find_letter_runs(data, _PRINTABLE_TABLE, _MIN_PRINTABLE_LENGTH)
    text = TEXT_SEPARATOR.join(data[start:stop] for start, stop in runs)
    if any(True for _ in find_secrets(text)):
        return True
    spans = (
        (*find_compressed_spans(data), *find_encoded_spans(text, MIN_BASE64_LENGTH_TO_SEARCH, True))
        if max_depth
        else ()
    )
    return _has_finding_in_spans(spans, find_secrets, max_depth - 1)


def _has_finding_in_spans(spans: Iterable[EncodedSpan], find_secrets: SecretFinder, max_depth: int) -> bool:
    inner: dict[bool, list[str]] = {}
    for span in spans:
        inner.setdefault(span.is_text, []).append(span.text)
    return any(
        contains_secret(TEXT_SEPARATOR.join(texts), find_secrets, max_depth, kind) for kind, texts in inner.items()
    )


def _redaction_edit(text: str, start: int, stop: int) -> TextEdit:
    """Return the edit that replaces the characters from `start` to `stop` by `REDACTED`, in UTF-16 if they are in
    UTF-16.
    """
    wide = text.count("\0", start, stop) * 2 >= stop - start - 1 > 0
    return TextEdit(start, stop, "\0".join(REDACTED) if wide else REDACTED)
