"""Options that change which tests run, or how often.

`--harness-verify` runs tests on recordings and asks the live API the same, `--harness-locate` runs further combinations
to find the flags behind a failure, and `--harness-shard` runs one part of the tests. A failure is also run alone.
"""
