"""The network, refused."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import httpx2
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.errors import NetworkRefused
from flag_harness.transports import ERROR_TEXTS_OF_SIMULATOR, ApiScope, is_loopback, refuse_network

MESSAGE = (
    "this test plays recordings, but tried to reach {}; record that traffic with --record-mode=once, "
    "or let it through with @pytest.mark.harness_network"
)

MESSAGE_OF_OTHER_HOST = (
    "this test plays recordings, but tried to reach {}; it is no host of the API: replace that call in the test, list "
    "the host in allowed_hosts of [tool.flag-harness], or let it through with @pytest.mark.harness_network"
)


def _connect(host: str) -> None:
    with socket.socket() as one:
        one.connect((host, 443))


def _connect_ex(host: str) -> None:
    with socket.socket() as one:
        one.connect_ex((host, 443))


def _create_connection(host: str) -> None:
    socket.create_connection((host, 443), timeout=1).close()


def _look_up(host: str) -> None:
    socket.getaddrinfo(host, 443)


def _open_connection(host: str) -> None:
    asyncio.run(_opened(host))


async def _opened(host: str) -> None:
    _, writer = await asyncio.open_connection(host, 443)
    writer.close()


def _loop_look_up(host: str) -> None:
    async def look_up() -> None:
        await asyncio.get_running_loop().getaddrinfo(host, 443)

    asyncio.run(look_up())


def _httpx2(host: str) -> None:
    httpx2.get(f"https://{host}/", trust_env=False)


def _httpx(host: str) -> None:
    httpx.get(f"https://{host}/", trust_env=False)


def _async_httpx2(host: str) -> None:
    async def get() -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            await client.get(f"https://{host}/")

    asyncio.run(get())


WAYS = [
    _connect,
    _connect_ex,
    _create_connection,
    _look_up,
    _open_connection,
    _loop_look_up,
    _httpx2,
    _httpx,
    _async_httpx2,
]


@pytest.mark.parametrize("reach", WAYS)
@pytest.mark.parametrize("host", ["api.anthropic.com", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_another_host_is_refused_whoever_asks(reach: Callable[[str], None], host: str) -> None:
    """By name, also by one that looks like loopback; what was raised is kept."""
    with refuse_network() as refused, pytest.raises(NetworkRefused) as caught:
        reach(host)
    message = MESSAGE if host == "api.anthropic.com" else MESSAGE_OF_OTHER_HOST
    assert message.format(f"{host}:443") == str(caught.value)
    assert [caught.value] == refused
    assert not isinstance(caught.value, Exception)


def test_the_refusal_says_what_the_test_does_instead() -> None:
    """And is made as asked for. To ask the live API is no advice for another host."""

    class Mine(NetworkRefused):
        """A refusal of the caller's own."""

    with refuse_network(ERROR_TEXTS_OF_SIMULATOR, Mine), pytest.raises(Mine) as caught:
        _look_up("api.anthropic.com")
    assert (
        "this test asks the simulator, but tried to reach api.anthropic.com:443; ask the live API with "
        "--harness-upstream=live, or let it through with @pytest.mark.harness_network"
    ) == str(caught.value)
    with refuse_network(ERROR_TEXTS_OF_SIMULATOR) as refused, pytest.raises(NetworkRefused):
        _look_up("search.example.com")
    assert "search.example.com:443; it is no host of the API: replace that call" in str(refused[0])


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        (
            "stream.launchdarkly.com",
            "LaunchDarkly; set them in the test instead: give ldclient.set_config a Config with",
        ),
        (
            "clientsdk.launchdarkly.us.",
            "TestData in the fixture harness_set_flags, as flag-harness init writes it, or with",
        ),
        ("eu.app.unleash.getunleash.io", "Unleash; set them in the test instead: load the flags from a dictionary in"),
    ],
)
def test_a_service_of_flags_is_refused_with_how_to_set_them(host: str, advice: str) -> None:
    """As an error that its client expects, so that its threads end; the test fails at its end all the same."""
    with refuse_network() as refused, pytest.raises(ConnectionRefusedError, match="is refused to tests"):
        _look_up(host)
    [message] = map(str, refused)
    assert message.startswith(f"this test plays recordings, but tried to reach {host}:443 to fetch flags from ")
    assert advice in message


@pytest.mark.parametrize("reach", WAYS[:8])
def test_another_address_is_refused(reach: Callable[[str], None]) -> None:
    """A number needs no look-up; TEST-NET-1 belongs to nobody."""
    with refuse_network() as refused, pytest.raises(NetworkRefused) as caught:
        reach("192.0.2.1")
    assert MESSAGE_OF_OTHER_HOST.format("192.0.2.1:443") == str(caught.value)
    assert [caught.value] == refused


async def _uvloop_connection(host: str) -> None:
    await _opened(host)


async def _uvloop_look_up(host: str) -> None:
    await asyncio.get_running_loop().getaddrinfo(host, 443)


async def _uvloop_socket(host: str) -> None:
    with socket.socket() as one:
        one.setblocking(False)
        await asyncio.get_running_loop().sock_connect(one, (host, 443))


async def _uvloop_datagrams(host: str) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(host, 443))


async def _uvloop_httpx2(host: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.get(f"https://{host}/")


@pytest.mark.parametrize(
    "reach", [_uvloop_connection, _uvloop_look_up, _uvloop_socket, _uvloop_datagrams, _uvloop_httpx2]
)
def test_a_loop_of_uvloop_is_refused_too(reach: Callable[[str], Awaitable[None]]) -> None:
    """It asks no socket of Python's. Afterwards it is as it was."""
    before = [getattr(uvloop.Loop, name) for name in ("create_connection", "getaddrinfo", "sock_connect")]
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        refuse_network() as refused,
        pytest.raises(NetworkRefused) as caught,
    ):
        runner.run(reach("api.anthropic.com"))
    assert MESSAGE.format("api.anthropic.com:443") == str(caught.value)
    assert [caught.value] == refused
    assert before == [getattr(uvloop.Loop, name) for name in ("create_connection", "getaddrinfo", "sock_connect")]


def test_loopback_passes_on_uvloop(byte_server: Callable[..., Any], tmp_path: Any) -> None:
    """So do sockets that are bound to nobody yet, and those of the file system."""
    server = byte_server((b"HTTP/1.1 204 No Content\r\n\r\n",))

    async def reach() -> int:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        transport.close()
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as one:
            listening.bind(str(tmp_path / "x"))
            listening.listen()
            one.setblocking(False)
            await loop.sock_connect(one, str(tmp_path / "x"))
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.get(server.url)).status_code

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, refuse_network() as refused:
        assert 204 == runner.run(reach())
    assert [] == refused


def test_without_uvloop_nothing_of_it_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it imported."""
    monkeypatch.delitem(sys.modules, "uvloop")
    with refuse_network():
        assert "uvloop" not in sys.modules


def test_uvloop_is_guarded_as_soon_as_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the code that imports it has it."""
    monkeypatch.delitem(sys.modules, "uvloop")
    with refuse_network() as refused:
        import uvloop as imported

        factory = imported.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner, pytest.raises(NetworkRefused):
            runner.run(_uvloop_look_up("far.example"))
    assert [MESSAGE_OF_OTHER_HOST.format("far.example:443")] == list(map(str, refused))


def test_an_address_of_ip_version_6_is_refused() -> None:
    """As are those with a zone."""
    with refuse_network() as refused, socket.socket(socket.AF_INET6) as one:
        for host in ("2001:db8::1", "fe80::1%eth0"):
            with pytest.raises(NetworkRefused):
                one.connect((host, 443, 0, 0))
    assert 2 == len(refused)


@pytest.mark.parametrize("name", ["gethostbyname", "gethostbyname_ex"])
def test_the_old_ways_to_look_up_a_name_are_refused(name: str) -> None:
    """They ask the same servers."""
    with refuse_network(), pytest.raises(NetworkRefused) as caught:
        getattr(socket, name)("api.anthropic.com")
    assert MESSAGE.format("api.anthropic.com") == str(caught.value)


def test_a_datagram_to_another_host_is_refused() -> None:
    """It needs no connection."""
    with refuse_network() as refused, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        with pytest.raises(NetworkRefused):
            one.sendto(b"data", ("192.0.2.1", 53))
        with pytest.raises(NetworkRefused):
            one.sendto(b"data", 0, ("192.0.2.1", 53))
    assert [MESSAGE_OF_OTHER_HOST.format("192.0.2.1:53")] * 2 == list(map(str, refused))


def test_datagrams_on_loopback_pass() -> None:
    """With flags and without."""
    with (
        refuse_network() as refused,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        other.bind(("127.0.0.1", 0))
        one.sendto(b"a", other.getsockname())
        one.sendto(b"b", 0, other.getsockname())
        assert [b"a", b"b"] == [other.recv(10), other.recv(10)]
    assert [] == refused


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("http", [httpx2, httpx])
def test_loopback_passes(host: str, http: Any, byte_server: Callable[..., Any]) -> None:
    """By number and by name, sync and async."""
    script = (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",)
    server = byte_server(script, script)
    url = server.url.replace("127.0.0.1", host)

    async def get() -> bytes:
        async with http.AsyncClient(trust_env=False) as client:
            content: bytes = (await client.get(url)).content
            return content

    with refuse_network() as refused:
        assert b"ok" == http.get(url, trust_env=False).content
        assert b"ok" == asyncio.run(get())
        assert "127.0.0.1" == socket.gethostbyname("localhost")
    assert [] == refused


def test_sockets_of_the_file_system_pass(tmp_path: Any) -> None:
    """They reach nobody else."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as one, refuse_network() as refused:
        listener.bind(path)
        listener.listen()
        one.connect(path)
    assert [] == refused


def test_afterwards_the_network_is_as_it_was() -> None:
    """Also if the test failed; an allowed host adds the functions that look up names."""

    def attributes() -> list[object]:
        kind = socket.socket
        reaching = [kind.connect, kind.connect_ex, kind.sendto, kind.send, kind.sendall, subprocess.Popen.__init__]
        return [*reaching, socket.getaddrinfo, socket.gethostbyname, socket.gethostbyname_ex]

    before = attributes()

    def fail() -> None:
        with refuse_network(scope=ApiScope(allowed_hosts=("service.example",))):
            assert all(one is not other for one, other in zip(before, attributes(), strict=True))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert before == attributes()


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.9.9", "::1", "::1%lo", "::ffff:127.0.0.1"),
        *("0.0.0.0", "::", b"localhost", b"127.0.0.1", None, "", socket.gethostname()),
    ],
)
def test_this_machine(host: Any) -> None:
    """By every name that reaches nobody else."""
    assert is_loopback(host)


@given(st.text(min_size=1))
def test_a_name_is_another_machine(name: str) -> None:
    """However it begins or ends."""
    assert not is_loopback(f"127.0.0.1.{name}")
    assert not is_loopback(f"localhost{name}")
    assert not is_loopback(f"{name}.example".encode())
