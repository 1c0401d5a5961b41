"""Run something in addition to or instead of the tests: `--harness-verify`, `--harness-locate` and
`--harness-shard`.
"""
