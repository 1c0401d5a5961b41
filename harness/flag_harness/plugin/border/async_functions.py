"""Run the coroutines of tests and fixtures so that their requests belong to the right test or fixture.

This is needed because async plugins may run them in a task that belongs to an earlier test.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import MethodType
from typing import Any

import pytest

from flag_harness.owner import CodeOwner, SubmittedWork, attribute_code_to_owner


@contextmanager
def set_request_owner_in_async_test(owner: CodeOwner, item: pytest.Item) -> Iterator[None]:
    """While the context is open, make `owner` the owner of the requests of an async test and of the tasks that it
    leaves running.

    For a sync test, do nothing.
    """
    if not isinstance(item, pytest.Function) or not inspect.iscoroutinefunction(item.obj):
        yield
        return
    from unittest import TestCase  # imported here: a run without async tests does not need it

    if item.cls is not None and issubclass(item.cls, TestCase):
        yield
        return
    original = item.obj

    @functools.wraps(original)
    async def run_test_function(*arguments: Any, **options: Any) -> Any:
        before = _running_asyncio_tasks()
        with attribute_code_to_owner(owner):
            try:
                return await original(*arguments, **options)
            finally:
                for task in _running_asyncio_tasks() - before:
                    _add_task_to_owner(owner, task)

    item.obj = run_test_function
    try:
        yield
    finally:
        item.obj = original


@contextmanager
def set_request_owner_in_async_fixture(owner: CodeOwner | None, fixturedef: "pytest.FixtureDef[Any]") -> Iterator[None]:
    """Make `owner` the owner of the requests that an async fixture sends in its setup and teardown. Do nothing for a
    sync fixture.
    """
    original: Any = fixturedef.func
    function = getattr(original, "__func__", original)
    if inspect.isasyncgenfunction(function):
        wrapped = _wrap_generator_function(owner, function)
    elif inspect.iscoroutinefunction(function):
        wrapped = _wrap_coroutine_function(owner, function)
    else:
        yield
        return
    definition: Any = fixturedef
    definition.func = MethodType(wrapped, original.__self__) if function is not original else wrapped
    try:
        yield
    finally:
        definition.func = original


def _wrap_coroutine_function(owner: CodeOwner | None, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run_coroutine_function(*arguments: Any, **options: Any) -> Any:
        with attribute_code_to_owner(owner):
            return await function(*arguments, **options)

    return run_coroutine_function


def _wrap_generator_function(owner: CodeOwner | None, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run_generator_function(*arguments: Any, **options: Any) -> Any:
        generator = function(*arguments, **options)
        with attribute_code_to_owner(owner):
            value = await anext(generator)
        yield value
        with attribute_code_to_owner(owner), suppress(StopAsyncIteration):
            await anext(generator)
            yield None  # the fixture yields twice: let its plugin complain, as it would without this wrapper

    return run_generator_function


def _running_asyncio_tasks() -> set[Any]:
    """Return the unfinished tasks of the running asyncio loop, or an empty set under trio."""
    import asyncio  # imported here: a run without async tests does not need it

    try:
        return set(asyncio.all_tasks())
    except RuntimeError:
        return set()


def _add_task_to_owner(owner: CodeOwner, task: Any) -> None:
    def is_running() -> bool:
        return not task.done() and not task.get_loop().is_closed()

    owner.add_work(task, SubmittedWork(f"the task {task.get_name()!r}", is_running))
    task.add_done_callback(owner.remove_work)
