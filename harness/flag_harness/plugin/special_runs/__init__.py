"""Run something besides or instead of the tests: `--harness-sweep`, `--harness-verify` and `--harness-locate`."""
