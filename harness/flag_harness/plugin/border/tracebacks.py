"""Shorten the traceback of an error of the API that the harness answered: the SDK's frames say nothing about it."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

_SDK_PACKAGE = "anthropic"
_HTTP_LIBRARIES = frozenset({_SDK_PACKAGE, "httpx", "httpx2", "flag_harness"})


def remove_sdk_frames(item: pytest.Item, call: pytest.CallInfo[None], traffic: "CassetteTraffic | None") -> None:
    """End the traceback of the SDK's error for an HTTP status at the user's last frame, which sent the request.

    Other errors keep their frames. So do those of the live API, and all with `--full-trace`.
    """
    if call.excinfo is None or traffic is None or traffic.plan.can_reach_live_api or item.config.getoption("fulltrace"):
        return
    error = call.excinfo.value
    if _top_level_package(type(error).__module__) != _SDK_PACKAGE or not hasattr(error, "status_code"):
        return
    entries = _traceback_entries(error.__traceback__)
    own = [
        one for one in entries if _top_level_package(one.tb_frame.f_globals.get("__name__", "")) not in _HTTP_LIBRARIES
    ]
    own[-1].tb_next = None  # there are always frames of pytest


def _traceback_entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _top_level_package(module: str) -> str:
    return module.partition(".")[0]
