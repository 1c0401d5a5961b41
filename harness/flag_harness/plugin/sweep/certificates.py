"""Load TLS certificates only for real connections, because loading takes longer than the whole run of a small test."""

import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from flag_harness.transports.patch import replace_attribute

_METHODS_THAT_NEED_CERTIFICATES = ("wrap_socket", "wrap_bio", "get_ca_certs", "cert_store_stats")
"""The methods of an `SSLContext` that need its certificates."""


@contextmanager
def load_certificates_late() -> Iterator[None]:
    """In the context, let each `SSLContext` read its files of certificates when it is first used.

    Each HTTP client makes such a context when it is created, and a client that is answered offline never uses it. A
    file that does not exist is an error at once, as usual.
    """
    waiting: WeakKeyDictionary[ssl.SSLContext, list[str]] = WeakKeyDictionary()
    load, lock = ssl.SSLContext.load_verify_locations, threading.RLock()

    def postpone_loading_certificates(
        context: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        if isinstance(cafile, str) and os.path.isfile(cafile) and capath is None and cadata is None:
            waiting.setdefault(context, []).append(cafile)
        else:
            load(context, cafile, capath, cadata)

    def wrap_method(method: Any) -> Any:
        def load_certificates_and_call(context: ssl.SSLContext, *args: Any, **options: Any) -> Any:
            with lock:  # another thread that uses the context waits until it is complete
                for cafile in waiting.pop(context, ()):
                    load(context, cafile)
            return method(context, *args, **options)

        return load_certificates_and_call

    with ExitStack() as patches:
        patches.enter_context(replace_attribute(ssl.SSLContext, "load_verify_locations", postpone_loading_certificates))
        for name in _METHODS_THAT_NEED_CERTIFICATES:
            patches.enter_context(replace_attribute(ssl.SSLContext, name, wrap_method(getattr(ssl.SSLContext, name))))
        try:
            yield
        finally:
            for context in [*waiting]:  # it may be used later
                context.cert_store_stats()
