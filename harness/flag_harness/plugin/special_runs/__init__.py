"""Run tests otherwise than once each: `--harness-verify`, `--harness-locate` and `--harness-shard`."""
