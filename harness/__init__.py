"""A flag harness for agents on the Anthropic Messages API: every combination of flags, offline or live."""
