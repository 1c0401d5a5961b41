"""Answers of the simulated API: how a turn becomes content blocks, events, headers and timed bytes.

A new kind of content block is built in `message.py` and streamed in `stream.py`. A key that the API added on some date
gets that date in `profiles.py`.
"""
