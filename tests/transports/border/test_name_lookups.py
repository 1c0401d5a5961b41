"""Names are looked up by c-ares, too, which Python does not see; a module of Python stands in for pycares."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import NetworkRefused
from flag_harness.transports import ApiScope, refuse_network

PYCARES = """
LOOKED_UP = []

class Channel:
    def getaddrinfo(self, host, port, *, callback=None):
        LOOKED_UP.append(host)

    def query(self, name, kind, *, callback=None):
        LOOKED_UP.append(name)

    def getnameinfo(self, address, flags, *, callback=None):
        LOOKED_UP.append(address)
"""


@pytest.fixture
def folder_of_pycares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to import the module from, which no test has imported yet."""
    (tmp_path / "pycares.py").write_text(PYCARES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "pycares", raising=False)


@pytest.mark.usefixtures("folder_of_pycares")
@pytest.mark.parametrize("is_loaded_before", [True, False])
def test_a_lookup_by_c_ares_is_refused(is_loaded_before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline and online alike, with the name in the message; this machine and allowed hosts are looked up."""
    if is_loaded_before:
        importlib.import_module("pycares")
    with refuse_network(scope=ApiScope(allowed_hosts=("near.invalid",))) as refused:
        import pycares  # by a statement, which the guard sees

        channel: Any = pycares.Channel()
        for look_up, argument in (
            (channel.getaddrinfo, ("far.example", 443)),
            (channel.query, ("far.example", 1)),
            (channel.getnameinfo, (("192.0.2.1", 443), 0)),
        ):
            with pytest.raises(NetworkRefused, match=r"tried to reach (far\.example|192\.0\.2\.1:443); it is no host"):
                look_up(*argument)
        channel.getaddrinfo("localhost", 443)
        channel.query("near.invalid", 1)
    channel.query("far.example", 1)
    assert 3 == len(refused)
    assert ["localhost", "near.invalid", "far.example"] == pycares.LOOKED_UP
    monkeypatch.delitem(sys.modules, "pycares")
