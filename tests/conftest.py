"""The harness's own tests. Plugin tests run pytest in folders of their own."""

pytest_plugins = ["pytester"]
