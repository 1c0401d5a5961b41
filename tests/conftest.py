"""The harness's own tests. Plugin tests run pytest in folders of their own."""

import importlib
from contextlib import suppress

pytest_plugins = ["pytester"]

for _name in ("httpx", "httpx2", "httpcore", "httpcore2"):
    # a run of pytest in this process forgets what it was the first to import: whoever imported that has then another
    # copy of it than those who import it later
    with suppress(ImportError):
        importlib.import_module(_name)
