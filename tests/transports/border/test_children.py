"""Child processes are under the guard of their parent."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from flag_harness.audit_hook import audit_hook
from flag_harness.transports import ApiScope, refuse_network
from flag_harness.transports.border import proxy
from flag_harness.transports.border.children import ask_parent_about_every_host
from flag_harness.transports.border.proxy import LOOPBACK_ADDRESS, ask_parent_about_host, host_checking_proxy

GET = "import sys, urllib.request as u\nfor url in sys.argv[1:]: print(u.urlopen(url, timeout=10).read().decode())"


def run(code: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python in a child."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, **options)


def test_a_program_that_uses_proxies_is_told_why_it_is_refused() -> None:
    """By name, before any lookup; the test is told the same."""
    with refuse_network() as refused:
        found = run(GET, "http://far.example/list")
    message = (
        "this test plays recordings, but tried to reach far.example:80 in a child process or a library in C; "
        "it is no host of the API: replace that call in the test, list the host in allowed_hosts of "
        "[tool.flag-harness], or let it through with @pytest.mark.harness_network; if the program can do "
        "without that host, list it in ignore_hosts of [tool.flag-harness]"
    )
    assert [message] == list(map(str, refused))
    assert "HTTP Error 403: Forbidden" in found.stderr


def test_a_program_that_asks_the_api_is_pointed_to_the_fixture_that_answers_it() -> None:
    """Connections of the test's own process are answered without that fixture, so they are told nothing of it."""
    with refuse_network() as refused:
        run(GET, "http://api.anthropic.com/v1/models")
    assert "if a program that the test starts asks the API, write def test_it(cassette, cassette_server); else " in str(
        refused[0]
    )


def test_the_answer_of_the_proxy_says_what_to_do() -> None:
    """To whoever reads it; what is no request for a proxy is answered as such."""
    with refuse_network():
        run("pass")
        port, answers = host_checking_proxy().port, []
        for line in (b"CONNECT far.example:443 HTTP/1.1", b"GET / HTTP/1.1", b"CHECK far.example HTTP/1.1"):
            with socket.create_connection((LOOPBACK_ADDRESS, port), timeout=10) as connection:
                os.write(connection.fileno(), line + b"\r\n\r\n")  # `send` would be refused, as this test's own
                answers.append(b"".join(iter(lambda: connection.recv(4096), b"")).decode())
    assert answers[0].startswith("HTTP/1.1 403 Forbidden\r\n")
    assert answers[0].endswith("list it in ignore_hosts of [tool.flag-harness]")
    assert ["HTTP/1.1 400 Bad Request"] * 2 == [answer.split("\r\n")[0] for answer in answers[1:]]


def test_a_host_that_is_allowed_is_forwarded(far_host: Any) -> None:
    """As if there were no proxy; one that is ignored is refused without failing the test."""
    scope = ApiScope(allowed_hosts=("127.0.0.1",), ignored_hosts=("prices.example",))
    with refuse_network(scope=scope) as refused:
        found = run(GET, far_host.url)
        ignored = run(GET, "http://prices.example/")
    assert ("ok\n", "") == (found.stdout, found.stderr)
    assert b"GET / HTTP/1.1\r\n" in far_host.received()
    assert "403" in ignored.stderr
    assert [] == refused


def test_a_tunnel_to_a_host_that_is_allowed_is_opened(far_host: Any) -> None:
    """Bytes pass in both directions until one side ends."""
    with socket.create_connection((LOOPBACK_ADDRESS, host_checking_proxy().port), timeout=10) as connection:
        connection.sendall(b"CONNECT %s:%d HTTP/1.1\r\n\r\n" % (far_host.address[0].encode(), far_host.address[1]))
        assert b"HTTP/1.1 200 Connection established\r\n\r\n" == connection.recv(4096)
        connection.sendall(b"hello")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
    assert b"hello" in far_host.received()


def test_a_child_asks_its_parent_about_a_host() -> None:
    """While the test runs; afterwards nothing is refused, and a parent that has ended refuses nothing either."""
    with refuse_network() as refused:
        run("pass")
        port = host_checking_proxy().port
        for host in ("far.example", b"far.example", "localhost", None):
            answer = ask_parent_about_host(port, host, 443)
            assert (host in ("far.example", b"far.example")) == ("tried to reach far.example:443 in a child" in answer)
        assert "tried to reach far.example in a child" in ask_parent_about_host(port, "far.example")
    assert 3 == len(refused)
    assert "" == ask_parent_about_host(port, "far.example", 443)
    with socket.create_server((LOOPBACK_ADDRESS, 0)) as free:
        closed = free.getsockname()[1]
    assert "" == ask_parent_about_host(closed, "far.example", 443)


def test_an_environment_may_be_the_eleventh_argument() -> None:
    """As few write it."""
    code = "import os; print(os.environ['http_proxy'])"
    with refuse_network():
        command = [sys.executable, "-c", code]
        child = subprocess.Popen(command, -1, None, None, subprocess.PIPE, None, None, True, False, None, {"A": "1"})
        output, _ = child.communicate(timeout=60)
    assert f"http://{LOOPBACK_ADDRESS}:{host_checking_proxy().port}" == output.decode().strip()


def test_a_child_reaches_services_of_this_machine_directly(far_host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` names it; here the guard is as it is for users."""
    monkeypatch.undo()
    with refuse_network() as refused:
        found = run(GET, far_host.url, far_host.url.replace("127.0.0.1", "localhost"))
    assert "ok\nok\n" == found.stdout
    assert [] == refused


def test_the_environment_of_the_test_does_not_change() -> None:
    """Children find the variables; `os.environ` does not, and after the test children do not either."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    before = dict(os.environ)
    with refuse_network():
        inherited, own = json.loads(run(code).stdout), json.loads(run(code, env={"MINE": "1"}).stdout)
        assert before == dict(os.environ)
    after = json.loads(run(code).stdout)
    url = f"http://{LOOPBACK_ADDRESS}:{host_checking_proxy().port}"
    names = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy"}
    for environment in (inherited, own):
        assert {url} == {environment[name] for name in names} | {environment[name.upper()] for name in names}
        assert {"localhost", "127.0.0.1", "::1"} <= set(environment["no_proxy"].split(","))
    assert "1" == own["MINE"]
    assert before.get("http_proxy") == after.get("http_proxy")


def test_a_child_that_outlives_the_test_is_no_longer_refused(far_host: Any) -> None:
    """A server that a fixture of the session starts serves tests of every kind."""
    code = f"import sys; sys.stdin.readline()\n{GET}"
    with refuse_network() as refused:
        child = subprocess.Popen(
            [sys.executable, "-c", code, far_host.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    output, _ = child.communicate("\n", timeout=60)
    assert "ok\n" == output
    assert [] == refused


TELL_PROXY = "import os; print(os.environ.get('http_proxy'))"


def test_loading_libcurl_names_the_proxy_and_leaving_names_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """libcurl reads the variables in C, so they are set before any child starts, and set back afterwards."""
    monkeypatch.setenv("http_proxy", "http://mine.example:3128")
    monkeypatch.setitem(sys.modules, "pycurl", ModuleType("pycurl"))
    with refuse_network():
        assert f"http://{LOOPBACK_ADDRESS}:{host_checking_proxy().port}\n" == run(TELL_PROXY).stdout
        assert "http://mine.example:3128" == os.environ["http_proxy"]
    assert "http://mine.example:3128\n" == run(TELL_PROXY).stdout


def test_a_forked_child_asks_the_process_that_was_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is told; children of the child get the same proxy, and nothing is refused once the parent has ended."""
    with socket.create_server((LOOPBACK_ADDRESS, 0)) as free:
        closed = free.getsockname()[1]
    with refuse_network() as refused:
        run("pass")
        with monkeypatch.context() as forked:
            test, pid = threading.get_ident(), os.getpid()
            forked.setattr(os, "getpid", lambda: 1 if threading.get_ident() == test else pid)
            with pytest.raises(ConnectionRefusedError, match=r"tried to reach far\.example:443 in a child process"):
                socket.getaddrinfo("far.example", 443)
            assert run("import os; print(os.environ['http_proxy'])", env={}).stdout.startswith("http://127.0.0.1:")
            forked.setattr(host_checking_proxy(), "port", closed)
            assert socket.getaddrinfo("192.0.2.1", 443)
    assert 1 == len(refused)


def test_a_spawned_child_asks_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first line on, for as long as it runs."""
    handlers: list[Any] = []
    monkeypatch.setattr(type(audit_hook()), "install_handlers", lambda hook, more: handlers.append(more))
    with refuse_network(scope=ApiScope(allowed_hosts=("near.example",))) as refused:
        run("pass")
        ask_parent_about_every_host(host_checking_proxy().port)
        handlers[0]["socket.getaddrinfo"]("near.example", 443)
        with pytest.raises(ConnectionRefusedError, match=r"tried to reach far\.example:443 in a child process"):
            handlers[0]["socket.getaddrinfo"]("far.example", 443)
    assert 1 == len(refused)


def test_a_child_is_refused_although_the_test_sets_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first child too, by `subprocess` or by a shell; the test keeps its values."""
    with refuse_network() as refused:
        run("pass")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "*")
        monkeypatch.setenv("no_proxy", "*")
        assert "403" in run(GET, "http://far.example/").stderr
        assert 0 != os.system(f"{sys.executable} -c '{GET}' http://further.example/ 2> /dev/null")
        assert ("http://127.0.0.1:9", "*") == (os.environ["http_proxy"], os.environ["no_proxy"])
    assert ["far.example" in str(refused[0]), "further.example" in str(refused[1])] == [True, True]
    assert 2 == len(refused)


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_a_refused_job_of_a_process_pool_comes_back(way: str) -> None:
    """An error that is no `Exception` would end the process, and the caller would wait for the job forever."""
    with refuse_network() as refused, multiprocessing.get_context(way).Pool(1) as pool:
        job = pool.apply_async(socket.create_connection, (("192.0.2.1", 443),))
        with pytest.raises(ConnectionRefusedError, match=r"tried to reach 192\.0\.2\.1:443 in a child process"):
            job.get(60)
    assert ["192.0.2.1:443" in str(one) for one in refused] == [True]


def test_a_debugger_sees_the_threads_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it sees those of `threading`, which they are not."""
    traced: list[object] = []
    monkeypatch.setattr("_thread.start_new_thread", lambda run, arguments: run(*arguments))
    monkeypatch.setattr(threading, "gettrace", lambda: "the debugger")
    monkeypatch.setattr(sys, "settrace", traced.append)
    proxy._start_thread(traced.append, "the proxy")
    assert ["the debugger", "the proxy"] == traced
