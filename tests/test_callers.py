"""The line of the project that sends a request."""

from concurrent.futures import ThreadPoolExecutor

from flag_harness.callers import find_calling_line


def test_the_innermost_line_outside_of_libraries_is_named() -> None:
    """Code that has no file does not count, and a thread of a library has no such line."""
    line = test_the_innermost_line_outside_of_libraries_is_named.__code__.co_firstlineno + 3
    assert f"tests/test_callers.py:{line}" == eval("find_calling_line()")
    with ThreadPoolExecutor(1) as pool:
        assert "" == pool.submit(find_calling_line).result()
