"""The command `flag-harness ui`."""

import gc
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main

pytest.importorskip("streamlit", reason="streamlit is not installed: pip install -e '.[ui]'")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The arguments with which Streamlit was started, which it is not. The default port counts as free."""
    import streamlit.web.cli

    from flag_harness.reference.ui import checks

    check = checks.check_address
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        free_port = free.getsockname()[1]
    monkeypatch.setattr(checks, "check_address", lambda host, port: check(host, free_port if port == 8501 else port))
    calls: list[list[str]] = []

    def start(*, args: list[str], **options: Any) -> None:
        calls.append(args)

    monkeypatch.setattr(streamlit.web.cli, "main", start)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.chdir(tmp_path)
    return calls


def test_the_server_is_this_machines_alone(started: list[list[str]]) -> None:
    """It listens on loopback, sends no statistics, and shows no traceback."""
    assert 0 == main(["ui"])
    for setting in ("--server.address=127.0.0.1", "--browser.gatherUsageStats=false", "--client.showErrorDetails=none"):
        assert setting in started[0]


def test_another_host_is_warned_about(started: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """There is no authentication."""
    assert 0 == main(["ui", "--host=0.0.0.0", "--no-browser", "--port=9000"])
    assert "0.0.0.0 can be reached by other machines" in capsys.readouterr().err
    assert {"--server.address=0.0.0.0", "--server.port=9000", "--server.headless=true"} <= set(started[0])


def test_a_scenario_is_found_by_its_name(started: list[list[str]], tmp_path: Path) -> None:
    """In the project's folder of scenarios, or as a path."""
    path = tmp_path / "fixtures" / "scenarios" / "refund.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[[turn]]\ntext = "Refunded."\n')
    for name in ("refund", str(path)):
        assert 0 == main(["ui", "--scenario", name])
        assert "refund.toml" in started[-1][-1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--upstream=cassette"], "--upstream=cassette needs the file of a cassette"),
        (["--upstream=cassette", "none.json"], "none.json"),
        (["one.json"], "one.json: a cassette needs --upstream=cassette"),
        (["--upstream=live", "--scenario=a"], "--scenario is for --upstream=simulator, not live"),
        (["--scenario=refun"], "the nearest is 'refund'"),
        (["--scenario=bad.toml"], "bad.toml: not TOML"),
        (["--upstream=live", "--fault=reset:on=1"], "the live API gets no faults"),
        (["--fault=nonsense"], "nonsense"),
        (["--upstream=live"], "ANTHROPIC_API_KEY is not set"),
        (["--port=99999"], "--port 99999: a port is a number from 1 to 65535"),
        (["--host=192.0.2.1"], "--host 192.0.2.1: this machine does not have that address"),
        (["--host=no such host"], "--host no such host: there is no such host"),
        (["--folder=bad.toml"], "--folder bad.toml: bad.toml is a file"),
        (["--folder=bad.toml/sessions"], "--folder bad.toml/sessions: bad.toml is a file"),
    ],
)
def test_a_wrong_upstream_is_an_error_before_anything_starts(
    started: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    """The message says what to type instead."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    scenarios = tmp_path / "fixtures" / "scenarios"
    scenarios.mkdir(parents=True)
    (scenarios / "refund.toml").write_text('[[turn]]\ntext = "Refunded."\n')
    (tmp_path / "bad.toml").write_text("[[turn")
    assert 2 == main(["ui", *arguments])
    assert expected in capsys.readouterr().err
    assert [] == started


def test_a_port_that_cannot_be_used_is_an_error(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message is one line with another port to type."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert 2 == main(["ui", f"--port={port}"])
    assert f"--port {port}: another program listens there; choose another port" in capsys.readouterr().err

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert 2 == main(["ui", "--port=80"])
    assert "Permission denied; choose a port from 1024 on\n" == capsys.readouterr().err.partition("there: ")[2]
    assert [] == started


def test_the_example_calls_a_tool_anywhere(started: list[list[str]]) -> None:
    """In a project without scenarios; one of the project with that name comes first."""
    assert 0 == main(["ui", "--scenario", "example"])
    assert "reference/ui/example.toml" in started[-1][-1]
    Path("fixtures", "scenarios").mkdir(parents=True)
    Path("fixtures", "scenarios", "example.toml").write_text('[[turn]]\ntext = "Mine."\n')
    assert 0 == main(["ui", "--scenario", "example"])
    assert "reference/ui/example.toml" not in started[-1][-1]


def test_the_page_is_served_and_opened_until_sigterm(tmp_path: Path, warm_python: Callable[[], str]) -> None:
    """A real server asks for nothing in the terminal, opens the page in the browser, and ends with exit code 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    opened, browser = tmp_path / "opened.txt", tmp_path / "xdg-open"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    environ = {**os.environ, "HOME": str(tmp_path), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = [warm_python(), "-m", "flag_harness.cli", "ui", f"--port={url.rpartition(':')[2]}"]
    server = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
    try:
        until = time.monotonic() + 60
        while not (opened.exists() and opened.read_text()):
            assert time.monotonic() < until, "the page was not opened within a minute"
            assert server.poll() is None
            time.sleep(0.1)
        assert f"{url}\n" == opened.read_text()
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
            assert b"ok" == answer.read()
        server.send_signal(signal.SIGTERM)
        assert 0 == server.wait(20)
    finally:
        server.kill()
        server.communicate()
