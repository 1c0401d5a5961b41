"""Find secrets in encoded texts. An edit of a decoded text is turned into an edit of the original text."""

from flag_harness.cassette.redact.encodings.search import (
    TEXT_SEPARATOR,
    SecretFinder,
    contains_secret,
    find_first_secret,
    find_redaction_edits,
)

__all__ = ["TEXT_SEPARATOR", "SecretFinder", "contains_secret", "find_first_secret", "find_redaction_edits"]
