"""A patch that several `with` blocks share: the first block applies it, and the last block that ends removes it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager


class SharedPatch:
    """A patch that several threads can use at the same time.

    `make_patch` returns a context manager that applies the patch. It is entered when the first `keep_in_place()` block
    starts, and exited when the last one ends.
    """

    def __init__(self, make_patch: Callable[[], AbstractContextManager[None]]) -> None:
        self._make_patch = make_patch
        self._lock = threading.Lock()
        self._user_count = 0
        self._patch = ExitStack()

    @contextmanager
    def keep_in_place(self) -> Iterator[None]:
        """Keep the patch applied inside the context."""
        with self._lock:
            if not self._user_count:
                self._patch.enter_context(self._make_patch())
            self._user_count += 1
        try:
            yield
        finally:
            with self._lock:
                self._user_count -= 1
                if not self._user_count:
                    self._patch.close()
