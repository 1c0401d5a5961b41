"""Private: keep secrets out of cassettes and logs with filters, a header allow-list and a search for API keys.

`keys/` has the pattern of each provider's key, and patterns for values behind a name, as in a log line; `encodings/`
has the encodings in which keys are searched, too. `filters.py` applies all to an interaction.
"""
