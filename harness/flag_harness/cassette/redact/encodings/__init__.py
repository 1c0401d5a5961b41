"""Find secrets in encoded texts. An edit of a decoded text is turned into an edit of the original text."""

from flag_harness.cassette.redact.encodings.search import (
    TEXT_SEPARATOR,
    FindSecrets,
    find_redaction_edits,
    first_finding,
    has_finding,
)

__all__ = ["TEXT_SEPARATOR", "FindSecrets", "find_redaction_edits", "first_finding", "has_finding"]
