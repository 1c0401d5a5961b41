"""Sessions: one for each feature, and what CI runs. A bare `nox` runs what CI runs, in the environment it stands in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _has_chromium() -> bool:
    return bool(shutil.which("chromium") or shutil.which("google-chrome"))


nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "coverage_and_types", *(["browser"] if _has_chromium() else [])]

PYTHON = (sys.executable, "-m")
PYTEST = (*PYTHON, "pytest")
WORKERS = ("-n", str((os.cpu_count() or 1) + 1), "--dist=worksteal")
"""One worker more than there are cores: some tests wait for processes, sockets and signals."""
VENDORS = ("launchdarkly-server-sdk", "UnleashClient", "growthbook")
"""The packages of flag services that examples of docs/flags.md use."""
WORKFLOWS = {
    "github-workflows": ["docs/ci/github.yml", ".github/workflows/ci.yml", ".github/workflows/release.yml"],
    "github-actions": [".github/actions/flag-harness/action.yml"],
    "gitlab-ci": ["docs/ci/gitlab.yml"],
}
"""The files to check against each schema of check-jsonschema."""


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


@nox.session
def integration(session: nox.Session) -> None:
    """The cases in which features work together."""
    _feature(session, "integration")


@nox.session(name="all")
def all_features(session: nox.Session) -> None:
    """All 25 cases."""
    _feature(session, "all")


@nox.session
def live(session: nox.Session) -> None:
    """The cases against the live API, with the key in ANTHROPIC_API_KEY, until they have cost $1 at list price."""
    options = ("--disable-recording", "--harness-upstream=live", "--harness-max-cost=1")
    session.run(*PYTEST, "--feature=all", *options, *session.posargs)


@nox.session
def record(session: nox.Session) -> None:
    """Record the cases anew from the simulator; files in which nothing but times differ stay as they are."""
    _feature_options = ("--record-mode=rewrite", "--harness-upstream=simulator")
    session.run(*PYTEST, "--feature=all", *_feature_options, *session.posargs)


@nox.session(venv_backend="virtualenv")
@nox.parametrize("release", ["2", "1.17", "0.125", "0.73", "0.49"])
def sdk(session: nox.Session, release: str) -> None:
    """The cases on other releases of the SDK, from the same cassettes; the suites in tests/pins on older ones."""
    session.install("-e", ".[agent,vcr]", f"anthropic=={release}.*")
    _two_suites(session)
    if release not in ("0.73", "0.49"):  # the cases send what those do not know
        session.run("pytest", "--feature=all", *session.posargs)


PINS = {
    "sdk-0.84": ("anthropic==0.84.*", "pytest-asyncio==0.23.*"),
    "pytest-8.3": ("pytest==8.3.5",),
    "oldest": ("anthropic==0.49.*", "pytest==8.2.0", "pydantic==2.5.*", "msgspec==0.18.6", "pytest-asyncio==0.23.*"),
}
"""What other repositories pin, by the name of a session."""


@nox.session(venv_backend="virtualenv")
@nox.parametrize("pins", list(PINS), ids=list(PINS))
def pins(session: nox.Session, pins: str) -> None:
    """Installed beside pinned releases, the package leaves them as they are, and the suites in tests/pins pass."""
    session.install(*PINS[pins])
    before = _installed(session)
    session.install("-e", ".[vcr]")
    names = [pin.partition("==")[0] for pin in PINS[pins]]
    moved = [f"{name}: {before[name]}, now {_installed(session)[name]}" for name in names]
    if any(before[name] != _installed(session)[name] for name in names):
        session.error(f"installing the package has moved what was pinned: {'; '.join(moved)}")
    session.log("kept: %s", ", ".join(f"{name} {before[name]}" for name in names))
    _two_suites(session, "-W", "error")


def _two_suites(session: nox.Session, *options: str) -> None:
    """Run the two suites of two tests each, one with the fixture `cassette`, one with the marks of pytest-recording."""
    for suite in ("cassette", "vcr"):
        with session.chdir(f"tests/pins/{suite}"):
            session.run("pytest", "-p", "no:cacheprovider", *options)


def _installed(session: nox.Session) -> dict[str, str]:
    """Return the version of each distribution in the session's environment."""
    listed = session.run("python", "-m", "pip", "list", "--format=json", "--no-index", silent=True, log=False)
    rows = json.loads(str(listed).splitlines()[0])
    return {row["name"].lower(): row["version"] for row in rows}


@nox.session(venv_backend="virtualenv")
def statistics(session: nox.Session) -> None:
    """The statistics beside those of statsmodels, which is used nowhere else."""
    session.install("-e", ".[dev]", "statsmodels")
    session.run("pytest", "tests/analysis/effects/test_figures_oracle.py", *session.posargs)


@nox.session(venv_backend="virtualenv")
def namesakes(session: nox.Session) -> None:
    """The cases where PyPI's `harness-cli` and `harness` were installed before, and uninstalled after."""
    for namesake in ("harness-cli", "harness"):
        session.install(namesake)
    session.install("-e", ".[agent]")
    for namesake in ("harness-cli", "harness"):
        session.run("python", "-m", "pip", "uninstall", "--yes", namesake)
    session.run("python", "-c", "import flag_harness; print(flag_harness.Cassette)")
    session.run("pytest", "--feature=all", *session.posargs)


@nox.session(venv_backend="virtualenv")
@nox.parametrize("plugin", ["pytest-recording", "pytest-bdd", "cassetter", "pytest-httpx", "pytest-httpx2", "respx"])
def beside(session: nox.Session, plugin: str) -> None:
    """The cases in an environment in which another plugin is installed, and that plugin's own help."""
    session.install("-e", ".[agent]", plugin)
    session.run("pytest", "--feature=all", *session.posargs)


@nox.session(venv_backend="virtualenv")
def flag_sources(session: nox.Session) -> None:
    """The examples of docs/flags.md with the packages of LaunchDarkly, Unleash, GrowthBook and OpenFeature, offline."""
    session.install("-e", ".[all]", "pytest-xdist", *VENDORS)
    session.run("pytest", "tests/sources", *session.posargs)


@nox.session(venv_backend="virtualenv")
def moving_in(session: nox.Session) -> None:
    """Suites written for pytest-recording and pytest-vcr, run by them and by `vcr_marks`: the outcomes are the same."""
    session.install("-e", ".[dev]", "pytest-recording==0.14.1", "pytest-vcr==1.0.2", "httpx")
    suites = [f"tests/plugin/test_{name}.py" for name in ("vcr_marks", "vcr_recording", "vcr_manners", "pytest_vcr")]
    session.run("pytest", "-p", "no:recording", "-p", "no:vcr", *suites, "tests/vcr", *session.posargs)


@nox.session(venv_backend="virtualenv")
def node(session: nox.Session) -> None:
    """The official SDK of another language, installed by npm, plays a recorded tool loop from the server."""
    session.install("-e", ".[dev]")
    folder = str(Path(session.virtualenv.location, "node"))  # create_tmp() would move TMPDIR into this project
    session.run("npm", "install", "--prefix", folder, "@anthropic-ai/sdk", external=True)
    modules = str(Path(folder, "node_modules").resolve())
    session.run("pytest", "tests/cli/test_serve.py", "-k", "node", *session.posargs, env={"NODE_PATH": modules})


BROWSER_TESTS = ("tests/report/test_browser.py", "tests/reference/ui/browser", "tests/plugin/test_streamlit.py")
AGENTS: dict[str, tuple[str, ...]] = {
    "loop": (),
    "tool_runner": (),
    "pydantic_ai": ("pydantic-ai-slim[anthropic]==2.68.0",),
    "langchain": ("langchain==1.5.2", "langchain-anthropic==1.7.10"),
    "chatlas": ("chatlas[anthropic]==0.23.0",),
    "litellm": ("litellm==1.110.2", "tenacity==9.2.1"),  # its retries need tenacity, which it does not install
    "node": (),
    "claude_cli": ("claude-agent-sdk==0.2.189",),
    "agno": ("agno==3.1.10", "anthropic==0.125.*"),
    "strands": ("strands-agents[anthropic]==1.62.0", "anthropic==0.125.*"),
    "instructor": ("instructor==1.17.0", "anthropic==0.125.*"),
}
"""The folders of tests/agents, and what each needs besides the package and the SDK."""
NODE_PACKAGES = {"node": "@anthropic-ai/sdk@1.10.0"}
QUICK_KINDS = "baseline or server_error or unauthorized or cut_call"
SLOW_AGENTS = {"claude_cli": ("-k", QUICK_KINDS, "--harness-sweep=faults,surprises")}
"""Agents whose process takes seconds to start, with the kinds of troubles to try on them."""
REAL_FAULTS = {
    "langchain": "clean_end:at=mid_partial_json,on=1",
    "chatlas": "clean_end:at=mid_partial_json,on=1",
}
"""Faults that agents do not survive: a call that was cut off runs, or is kept."""


@nox.session(venv_backend="virtualenv")
@nox.parametrize("agent", list(AGENTS), ids=list(AGENTS))
def agents(session: nox.Session, agent: str) -> None:
    """An agent of another project, swept by its ordinary test: it fails as `known.json` in its folder says."""
    session.install("-e", ".[serve]", "pytest", *AGENTS[agent])
    environment = {}
    if agent in NODE_PACKAGES:
        folder = session.create_tmp()
        session.run("npm", "install", "--prefix", folder, NODE_PACKAGES[agent], external=True)
        environment["NODE_PATH"] = str(Path(folder, "node_modules").resolve())
    command = ("pytest", "-p", "no:cacheprovider", "-q")
    sweep = SLOW_AGENTS.get(agent, ("--harness-sweep",))
    with session.chdir(f"tests/agents/{agent}"):
        session.run(*command, *sweep, "--harness-sweep-baseline=known.json", *session.posargs, env=environment)
        if agent in REAL_FAULTS:
            session.run(*command, "--harness-sweep", f"--harness-fault={REAL_FAULTS[agent]}", success_codes=[1])


@nox.session
def browser(session: nox.Session) -> None:
    """The report and `flag-harness ui` in Chromium, which must be installed, with what axe-core finds."""
    if not _has_chromium():
        session.error("there is no Chromium on the PATH: apt install chromium")
    environment = {"NODE_PATH": _install_axe(session), "HARNESS_TESTS": "browser"}
    session.run(*PYTEST, *BROWSER_TESTS, "-n", "2", "--dist=worksteal", *session.posargs, env=environment)


def _install_axe(session: nox.Session) -> str:
    """Install axe-core by npm, and return the folder of its module. Without npm, or offline, say what is skipped."""
    folder = Path("build", "node").resolve()
    modules = folder / "node_modules"
    if not (modules / "axe-core").exists():
        command = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4")
        try:
            session.run(*command, external=True)
        except nox.command.CommandFailed:
            session.warn("npm cannot install axe-core: the tests of accessibility are skipped")
    return str(modules)


DOCS_TESTS = (
    *("tests/test_docs.py", "tests/test_docs_blocks.py", "tests/test_docs_run.py", "tests/test_readme.py"),
    *("tests/test_tutorial.py", "tests/gate/test_walk_through.py", "tests/sources/test_vendors.py"),
    *("tests/plugin/test_api.py", "tests/plugin/test_settings_sources.py", "tests/analysis/test_locate.py"),
)
"""The tests that run the code of the README and the docs."""


@nox.session(venv_backend="venv")
def docs(session: nox.Session) -> None:
    """Check the workflows, run the code of the pages, and build the site in build/docs/site. A warning is an error."""
    session.install("-e", ".[dev,docs]", *VENDORS)
    for schema, files in WORKFLOWS.items():
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files)
    session.run("pytest", *WORKERS, *DOCS_TESTS)
    session.run("python", "docs/site/build.py", "build/docs", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(venv_backend="venv")
def package(session: nox.Session) -> None:
    """Build the wheel and the sdist, check them, and run the demo from the wheel in an environment of its own."""
    session.install("build", "check-wheel-contents", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    (wheel,) = Path("dist").glob("*.whl")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    session.run("check-wheel-contents", "--ignore", "W009", str(wheel))
    session.run("python", "-m", "venv", "--clear", "build/package/venv")
    session.run("build/package/venv/bin/pip", "install", "-q", str(wheel), external=True)
    session.run("build/package/venv/bin/flag-harness", "demo", external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests: the cases, and those of the harness itself."""
    _compile_package(session)
    session.run(*PYTEST, *WORKERS, *session.posargs)


def _compile_package(session: nox.Session) -> None:
    """Write the package's bytecode, which each child process of a test would else compile in 1.4 s of its own."""
    session.run(*PYTHON, "compileall", "-q", "harness")


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests, with the branches of `harness/` that they reach."""
    _measure_coverage(session)
    _report_coverage(session)


@nox.session
def coverage_and_types(session: nox.Session) -> None:
    """What `coverage` and `types` do, with mypy on one core while the coverage is combined and reported on another."""
    try:
        _measure_coverage(session)
    finally:  # types are checked even if tests fail
        with subprocess.Popen((*PYTHON, "mypy"), stdout=subprocess.PIPE, text=True) as mypy:
            try:
                _report_coverage(session)
            finally:
                session.log("mypy, which ran meanwhile:\n%s", mypy.communicate()[0])
        if mypy.returncode:
            session.error(f"mypy fails with exit status {mypy.returncode}: `nox -s types` repeats it alone")


def _measure_coverage(session: nox.Session) -> None:
    if not _has_chromium():
        session.warn("there is no Chromium on the PATH: the session `browser` is left out (apt install chromium)")
    _compile_package(session)
    session.run(*PYTHON, "coverage", "erase")
    session.run(*PYTHON, "coverage", "run", "-m", "pytest", *WORKERS, *session.posargs)


def _report_coverage(session: nox.Session) -> None:
    session.run(*PYTHON, "coverage", "combine", "--quiet")
    session.run(*PYTHON, "coverage", "report")


@nox.session
def fidelity(session: nox.Session) -> None:
    """How true the simulated API is to the recorded traffic in ../shared/traffic: docs/fidelity.md."""
    session.run(sys.executable, "benchmarks/fidelity.py", "--write", "docs/fidelity.md", *session.posargs)


@nox.session
def blame(session: nox.Session) -> None:
    """How surely the interaction that breaks an agent of 20 flags is located: docs/blame.md. Takes ten minutes."""
    session.run(sys.executable, "benchmarks/blame.py", "--write", "docs/blame.md", *session.posargs)


@nox.session
def sweep(session: nox.Session) -> None:
    """Three agents under every fault, at every point, under every combination: docs/faults.md; `-- --check` it."""
    how = session.posargs or ["--write"]
    session.run(sys.executable, "benchmarks/sweep.py", *how, "docs/faults.md")


@nox.session
def deep(session: nox.Session) -> None:
    """All tests and those marked `deep`, in real processes, with ten times the examples; run before a release."""
    session.run(*PYTEST, *WORKERS, *session.posargs, env={"HARNESS_TESTS": "deep"})


@nox.session
def mutants(session: nox.Session) -> None:
    """Small changes of the package, and how many of them the tests notice."""
    session.run(sys.executable, "benchmarks/mutants.py", *session.posargs)


@nox.session
def agent_mutants(session: nox.Session) -> None:
    """The reference agent with one promise broken, and whether the cases or the sweep notice; `--only=WORD` selects."""
    session.run(sys.executable, "benchmarks/agent_mutants.py", *session.posargs)


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
