"""Explain the failure of a test that should reach the live API but has no API key."""

from collections.abc import Iterator

import pytest

from flag_harness.plugin.border.offline import API_KEY_VARIABLES, has_api_key, is_offline
from flag_harness.plugin.modes import command_to_reproduce
from flag_harness.plugin.stash import TRAFFIC_KEY, VCR_CASSETTE_KEY

_SDK_MESSAGE_WITHOUT_KEY = "Could not resolve authentication method"
_FIXTURES_THAT_ANSWER_REQUESTS = frozenset({"harness_cassette", "vcr", "vcr_cassette"})


def missing_api_key_message(item: pytest.Item) -> str:
    """Return a message if a test sent no request because it has no API key, or an empty string otherwise."""
    if has_api_key() or not _is_live_test_without_request(item):
        return ""
    message = f"There is no key for the live API, and nothing was sent. Set {API_KEY_VARIABLES[0]}"
    if VCR_CASSETTE_KEY in item.stash:
        return f"{message}, and run the test again."
    command = f"{command_to_reproduce(item.config, item.nodeid)} --harness-upstream=simulator"
    return f"{message}, or ask the simulator, which needs none: {command}"


def is_missing_api_key_error(error: BaseException) -> bool:
    """Return True if an error, or one of its causes, says that there is no API key."""
    return any(_mentions_missing_api_key(one) for one in _causes_of_error(error, set()))


def _is_live_test_without_request(item: pytest.Item) -> bool:
    """Return True if the test may reach the live API and has sent no request."""
    if _FIXTURES_THAT_ANSWER_REQUESTS.isdisjoint(getattr(item, "fixturenames", ())):
        return False
    if (traffic := item.stash.get(TRAFFIC_KEY, None)) is not None:
        plan = traffic.plan
        return plan.can_reach_live_api and "no_request" not in plan.disabled_checks and not traffic.exchanges
    if (cassette := item.stash.get(VCR_CASSETTE_KEY, None)) is not None:
        return cassette.can_record and not cassette.new_interaction_count and not cassette.play_count
    return not is_offline(item.config)


def _mentions_missing_api_key(error: BaseException) -> bool:
    if isinstance(error, AssertionError):
        return _SDK_MESSAGE_WITHOUT_KEY in str(
            error
        )  # the code under test has caught the SDK's error and returned its text
    if isinstance(error, KeyError):
        return error.args[:1] in [(key,) for key in API_KEY_VARIABLES]
    if not isinstance(error, TypeError) or _SDK_MESSAGE_WITHOUT_KEY not in str(error):
        return False
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    raised_by = traceback.tb_frame.f_globals.get("__name__", "") if traceback is not None else ""
    return f"{raised_by}.".startswith("anthropic.")  # other SDKs have keys of their own, and say the same


def _causes_of_error(error: BaseException | None, seen_ids: set[int]) -> Iterator[BaseException]:
    """Yield an error, its causes, and the errors inside exception groups, each once.

    `seen_ids` has the `id()` of each error that was yielded before.
    """
    if error is None or id(error) in seen_ids:
        return
    seen_ids.add(id(error))
    yield error
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for one in (*members, error.__cause__, error.__context__):
        yield from _causes_of_error(one, seen_ids)
