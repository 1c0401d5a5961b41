"""Sessions: one for each feature, and what CI runs. A bare `nox` runs what CI runs, in the environment it stands in."""

import os
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "coverage"]

os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

PYTHON = (sys.executable, "-m")
PYTEST = (*PYTHON, "pytest")
WORKERS = ("-n", "auto")


def _feature(session: nox.Session, name: str) -> None:
    session.run(*PYTEST, f"--feature={name}", *session.posargs)


@nox.session
def streaming(session: nox.Session) -> None:
    """The cases of streaming."""
    _feature(session, "streaming")


@nox.session
def prompt_cache(session: nox.Session) -> None:
    """The cases of prompt caching."""
    _feature(session, "prompt_cache")


@nox.session
def extended_output(session: nox.Session) -> None:
    """The cases of extended output."""
    _feature(session, "extended_output")


@nox.session
def tools(session: nox.Session) -> None:
    """The cases of tools."""
    _feature(session, "tools")


@nox.session
def context(session: nox.Session) -> None:
    """The cases of context that is kept."""
    _feature(session, "context")


@nox.session
def errors(session: nox.Session) -> None:
    """The cases of injected errors."""
    _feature(session, "errors")


@nox.session(name="all")
def all_features(session: nox.Session) -> None:
    """All 25 cases."""
    _feature(session, "all")


@nox.session
def record(session: nox.Session) -> None:
    """Record the cases anew from the simulator; files in which nothing but times differ stay as they are."""
    _feature_options = ("--record-mode=rewrite", "--harness-upstream=simulator")
    session.run(*PYTEST, "--feature=all", *_feature_options, *session.posargs)


@nox.session(venv_backend="virtualenv")
@nox.parametrize("release", ["2.12", "1.17", "0.125"])
def sdk(session: nox.Session, release: str) -> None:
    """The cases on another release of the SDK, from the same cassettes: httpx2 under 2.x and 1.x, httpx under 0.x."""
    session.install("-e", ".", f"anthropic=={release}.*")
    session.run("pytest", "--feature=all", *session.posargs)


@nox.session(venv_backend="virtualenv")
@nox.parametrize("plugin", ["pytest-recording", "pytest-bdd", "cassetter", "pytest-httpx", "pytest-httpx2", "respx"])
def beside(session: nox.Session, plugin: str) -> None:
    """The cases in an environment in which another plugin is installed, and that plugin's own help."""
    session.install("-e", ".", plugin)
    session.run("pytest", "--feature=all", *session.posargs)


@nox.session(venv_backend="virtualenv")
def moving_in(session: nox.Session) -> None:
    """A suite written for pytest-recording, run by it and by `vcr_marks`: the same tests pass, the same fail."""
    session.install("-e", ".[dev]", "pytest-recording==0.14.1", "httpx")
    session.run("pytest", "-p", "no:recording", "tests/plugin/test_vcr_marks.py", *session.posargs)


@nox.session(venv_backend="virtualenv")
def node(session: nox.Session) -> None:
    """The official SDK of another language, installed by npm, plays a recorded tool loop from the server."""
    session.install("-e", ".[dev]")
    folder = session.create_tmp()
    session.run("npm", "install", "--prefix", folder, "@anthropic-ai/sdk", external=True)
    modules = str(Path(folder, "node_modules").resolve())
    session.run("pytest", "tests/cli/test_serve.py", "-k", "node", *session.posargs, env={"NODE_PATH": modules})


@nox.session
def tests(session: nox.Session) -> None:
    """All tests: the cases, and those of the harness itself."""
    session.run(*PYTEST, *WORKERS, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests, with the branches of `harness/` that they reach."""
    session.run(*PYTHON, "coverage", "erase")
    session.run(*PYTHON, "coverage", "run", "-m", "pytest", *WORKERS, *session.posargs)
    session.run(*PYTHON, "coverage", "combine", "--quiet")
    session.run(*PYTHON, "coverage", "report")


@nox.session
def fidelity(session: nox.Session) -> None:
    """How true the simulated API is to the recorded traffic in ../shared/traffic: docs/fidelity.md."""
    session.run(sys.executable, "benchmarks/fidelity.py", "--write", "docs/fidelity.md", *session.posargs)


@nox.session
def sweep(session: nox.Session) -> None:
    """Three agents under every fault, at every point, under every combination: docs/faults.md; `-- --check` it."""
    how = session.posargs or ["--write"]
    session.run(sys.executable, "benchmarks/sweep.py", *how, "docs/faults.md")


@nox.session
def kills(session: nox.Session) -> None:
    """A thousand processes killed at every point of the protocol, and resumed."""
    session.run(*PYTEST, "tests/sweep/test_kill.py", "--kills=1000", "-s", *session.posargs)


@nox.session(venv_backend="virtualenv")
def performance(session: nox.Session) -> None:
    """What replay and the plugin cost, beside peers in one run: docs/performance.md."""
    session.install("-e", ".[bench]")
    for script in ("replay", "plugin"):
        session.run("python", f"benchmarks/{script}.py", "--write", "docs/performance.md", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and formatting."""
    session.run(*PYTHON, "ruff", "check", ".")
    session.run(*PYTHON, "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.run(*PYTHON, "mypy")
