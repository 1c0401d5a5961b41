"""What the simulated API counts: input and output tokens, prompt cache reads and writes, and rate limits.

The token estimate is in `tokens.py`. A new kind of content block gets its estimate in `block_tokens`.
"""
