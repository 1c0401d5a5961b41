"""Private: keep secrets out of cassettes and logs, with filters, a header allow-list and a search for API keys.

`keys/` has the patterns of each provider's keys and of values that follow a name, as in a log line. `encodings/`
decodes texts, so that encoded keys are found, too. `filters.py` applies everything to an interaction.
"""
