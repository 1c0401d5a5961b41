"""Find secrets in encoded texts. To remove one, the decoded text is edited, encoded again and put back."""

from flag_harness.cassette.redact.encodings.search import (
    TEXT_SEPARATOR,
    SecretFinder,
    contains_secret,
    find_first_secret,
    find_redaction_edits,
)

__all__ = ["TEXT_SEPARATOR", "SecretFinder", "contains_secret", "find_first_secret", "find_redaction_edits"]
