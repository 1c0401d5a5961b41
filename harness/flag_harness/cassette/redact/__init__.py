"""Private: keep secrets out of cassettes and logs with filters, a header allow-list and a search for API keys.

`shapes.py` has the pattern of each provider's key, `named_values.py` patterns for values behind a name, as in a log
line, and `encodings/` the encodings in which keys are searched, too. `filters.py` applies all to an interaction.
"""
