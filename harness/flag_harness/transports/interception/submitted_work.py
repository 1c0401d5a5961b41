"""Give threads and pool jobs the owner (the test or fixture) of the code that submitted them, and its flag values."""

import _thread
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from flag_harness.errors import LateRequest, Refusal
from flag_harness.owner import (
    CodeOwner,
    SubmittedWork,
    attribute_code_to_owner,
    current_code_owner,
    current_flag_scope,
    use_flag_scope,
)
from flag_harness.transports.border.proxy import ask_parent_about_host, has_host_checking_proxy, host_checking_proxy
from flag_harness.transports.patch import replace_attribute

API_HOST, API_PORT = "api.anthropic.com", 443


@contextmanager
def follow_submitted_work() -> Iterator[None]:
    """Inside the context, let threads and thread-pool jobs belong to the test or fixture (the owner) whose code started
    them.

    They also run under the same flags as that code. Threads that pools keep for their jobs have no owner, but the jobs
    do. Nothing changes for code without an owner and without flags.
    """
    with ExitStack() as patches:
        patched: set[Any] = set()

        def patch_pools() -> None:
            for pool, names, wrap in _pool_methods():
                if pool not in patched:
                    patched.add(pool)
                    for name in names:
                        patches.enter_context(replace_attribute(pool, name, wrap(getattr(pool, name))))

        patch_pools()
        callback = _wrap_add_done_callback(Future.add_done_callback)
        patches.enter_context(replace_attribute(Future, "add_done_callback", callback))
        start_bare = _wrap_start_new_thread(_thread.start_new_thread)
        patches.enter_context(replace_attribute(_thread, "start_new_thread", start_bare))
        start = _wrap_thread_start(threading.Thread.start, patch_pools)
        patches.enter_context(replace_attribute(threading.Thread, "start", start))
        yield


_POOL_MODULES = ("anyio.", "multiprocessing.pool", "trio.")
"""The modules of thread pools. Their threads have no owner (test or fixture) themselves, but their jobs may have
one.
"""


_MULTIPROCESSING_METHODS = ("apply_async", "_map_async", "imap", "imap_unordered")
"""The methods of multiprocessing's pools that submit jobs."""


def _pool_methods() -> Iterator[tuple[Any, tuple[str, ...], Callable[[Any], Any]]]:
    """Yield each class of pools with the names of its methods that submit jobs, and the function that wraps these."""
    yield ThreadPoolExecutor, ("submit",), _wrap_submit
    if (module := sys.modules.get("multiprocessing.pool")) is not None:
        yield module.ThreadPool, _MULTIPROCESSING_METHODS, _wrap_submit  # before its base class, which has the methods
        yield module.Pool, _MULTIPROCESSING_METHODS, _wrap_submit_to_process


def _is_pool_thread(thread: threading.Thread) -> bool:
    """Return whether a thread belongs to a thread pool, which gives it jobs."""
    target = getattr(thread, "_target", None)
    modules = type(thread).__module__, getattr(target, "__module__", None) or ""
    return any(module.startswith(_POOL_MODULES) for module in modules)


def _wrap_thread_start(original: Any, patch_pools: Callable[[], None]) -> Any:
    """Return `Thread.start`, changed so that a thread has the owner (test or fixture) and the flags of the code that
    starts it.

    `patch_pools` is called before a pool starts a thread, since the pool's module may have been imported just now.
    """

    def start_for_owner(thread: threading.Thread) -> Any:
        owner, scope = current_code_owner(), current_flag_scope()
        if (owner is None and scope is None) or thread.ident is not None:
            return original(thread)
        if _is_pool_thread(thread):
            patch_pools()
            return original(thread)
        owner = owner.job_owner if owner is not None and isinstance(thread, threading.Timer) else owner
        run = thread.run

        def run_for_owner() -> None:
            try:
                with attribute_code_to_owner(owner), use_flag_scope(scope):
                    run()
            except LateRequest:
                pass  # reported against the owner; here it would be a warning about the test that runs now
            finally:
                if owner is not None:
                    owner.remove_work(thread)
                vars(thread).pop("run", None)

        thread.run = run_for_owner  # type: ignore[method-assign]
        if owner is None:
            return original(thread)
        owner.add_work(thread, SubmittedWork(f"the thread {thread.name!r}", thread.is_alive, not thread.daemon))
        return original(thread)

    return start_for_owner


def _wrap_submit(original: Any) -> Any:
    """Return a pool's method that submits jobs, changed so that a job has the owner (test or fixture) and the flags of
    the code that submits it.
    """

    def submit_for_owner(pool: Any, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        owner, scope = current_code_owner(), current_flag_scope()
        if (owner is None and scope is None) or _is_interpreter_pool(pool):
            return original(pool, function, *arguments, **options)
        owner = owner.job_owner if owner is not None else None

        def run_job_for_owner(*job_arguments: Any, **job_options: Any) -> Any:
            try:
                with attribute_code_to_owner(owner), use_flag_scope(scope):
                    return function(*job_arguments, **job_options)
            except Refusal as error:
                if isinstance(pool, ThreadPoolExecutor):
                    raise
                raise RuntimeError(str(error)) from None  # what is no Exception ends the thread of such a pool

        with attribute_code_to_owner(None), use_flag_scope(None):  # the pool's threads serve others too
            future = original(pool, run_job_for_owner, *arguments, **options)
        if owner is not None and isinstance(future, Future):
            _count_job(owner, future, function)
        return future

    return submit_for_owner


def _wrap_submit_to_process(original: Any) -> Any:
    """Return a method of a pool of processes, changed so that a refused request comes back to the pool's caller."""

    def submit_to_process(pool: Any, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        has_owner = current_code_owner() is not None
        return original(pool, _ProcessPoolJob(function) if has_owner else function, *arguments, **options)

    return submit_to_process


class _ProcessPoolJob:
    """A job for another process. A refusal, which is no `Exception`, would end the process, and the pool would wait for
    the job forever.

    The parent process is told that the job wanted to reach the API, so that its test fails even if its code catches the
    error.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the job. Raise `RuntimeError` if a request of it is refused."""
        try:
            return self._function(*arguments, **options)
        except Refusal as error:
            if has_host_checking_proxy():
                ask_parent_about_host(host_checking_proxy().port, API_HOST, API_PORT)
            raise RuntimeError(str(error)) from None


def _wrap_start_new_thread(original: Any) -> Any:
    """Return `_thread.start_new_thread`, changed so that a thread has the owner and the flags of the code that starts
    it.
    """

    def start_for_owner(function: Callable[..., Any], arguments: Any, options: Any = None) -> Any:
        return original(_bind_to_owner(function), arguments, options or {})

    return start_for_owner


def _wrap_add_done_callback(original: Any) -> Any:
    """Return `Future.add_done_callback`, changed so that a callback has the owner and the flags of the code that adds
    it.
    """

    def add_for_owner(future: Any, function: Callable[[Any], Any]) -> Any:
        return original(future, _bind_to_owner(function))

    return add_for_owner


def _bind_to_owner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs as code of the owner whose code runs now, and under the flags of that code.

    A late request ends it without an error, because it is reported against the owner.
    """
    owner, scope = current_code_owner(), current_flag_scope()
    if owner is None and scope is None:
        return function

    def run_for_owner(*arguments: Any, **options: Any) -> Any:
        with suppress(LateRequest), attribute_code_to_owner(owner), use_flag_scope(scope):
            return function(*arguments, **options)

    return run_for_owner


def _count_job(owner: CodeOwner, future: Any, function: Any) -> None:
    """Count a pool's job as running work of its owner (a test or fixture) until the job is done."""
    name = getattr(function, "__qualname__", None) or type(function).__name__
    owner.add_work(future, SubmittedWork(f"the pool job {name}()", lambda: not future.done(), delays_exit=True))
    future.add_done_callback(owner.remove_work)


def _is_interpreter_pool(pool: Any) -> bool:
    """Return whether a pool runs its jobs in subinterpreters, which cannot run the wrapped function."""
    module = sys.modules.get("concurrent.futures.interpreter")
    return module is not None and isinstance(pool, module.InterpreterPoolExecutor)
