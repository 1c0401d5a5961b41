"""Hide secrets in the ids of tests, which pytest writes to its output, its reports and its cache."""

import dataclasses
from collections.abc import Generator
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.redact.secrets import filters_in_configuration, filters_in_marks
from flag_harness.plugin.run.names import short_hash

if TYPE_CHECKING:
    from flag_harness.cassette import Filters


class TestIdMask:
    """Hides keys, and what the filters and detectors of a test find, in the ids of the tests that use the harness.

    The filters of the fixture `harness_filters` are unknown at collection. If they find anything in a test's id, the
    recording of that test is refused.
    """

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None, None, None]:
        """Rewrite the ids once everything has parametrized the test, and before pytest makes an item for each."""
        yield
        mask_ids_of_test(metafunc)


def mask_ids_of_test(metafunc: pytest.Metafunc) -> None:
    """Hide secrets in the ids of a test's parameters, if the test uses a cassette."""
    if "harness_cassette" not in metafunc.fixturenames:
        return
    filters = filters_in_configuration(metafunc.config)
    with suppress(pytest.UsageError):  # a wrong mark is reported when the test runs
        filters += filters_in_marks(metafunc.definition)
    metafunc._calls = [_mask_id_of_callspec(call, filters) for call in metafunc._calls]


def _mask_id_of_callspec(call: Any, filters: "Filters") -> Any:
    """Return a `callspec` whose id has no secrets. The part of the id that names a flag combination is left alone."""
    combination = call.params.get("harness_combination")
    ids = [
        part if combination and part == combination.id else mask_part_of_test_id(part, filters) for part in call._idlist
    ]
    return call if ids == list(call._idlist) else dataclasses.replace(call, _idlist=ids)


@lru_cache(maxsize=4096)
def mask_part_of_test_id(part: str, filters: "Filters") -> str:
    """Return a part of a test's id without secrets. A hash of each hidden value keeps different ids different.

    >>> from flag_harness.cassette import Filters
    >>> mask_part_of_test_id("model-corp-1234", Filters(patterns=["corp-[0-9]+"]))
    'model-REDACTED-b68bef23'
    """
    from flag_harness.cassette.redact.scan import redact_api_keys  # only tests with parameters need it

    masked = redact_api_keys(filters.filter_text(part))
    return part if masked == part else f"{masked}-{short_hash(part)}"
