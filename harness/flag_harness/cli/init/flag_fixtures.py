"""The fixtures that set flags which are not read from the environment: those of LaunchDarkly, options, and values read
at import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from flag_harness.analysis.code.detected_flag import DetectedFlag
from flag_harness.cli.init.reading.import_time_flags import FlagAttribute

_LAUNCHDARKLY_IMPORTS = (
    "import ldclient",
    "import pytest",
    "from ldclient.config import Config",
    "from ldclient.integrations.test_data import TestData",
)
_LAUNCHDARKLY_SETUP = """\
data = TestData.data_source()
ldclient.set_config(Config("none", update_processor_class=data, send_events=False))"""
_LAUNCHDARKLY_LOOP = """\
for name, key in KEYS.items():
    if name in combination.values:
        data.update(data.flag(key).value_for_all(combination.values[name]))"""
_LAUNCHDARKLY_TEARDOWN = (
    'ldclient.set_config(Config("none", offline=True))  # other tests get the defaults that the code names'
)
_FLAG_OPTIONS_CODE = """

@pytest.fixture
def flag_options(flags):
    return [option for (name, value), option in OPTIONS.items() if flags.values.get(name) == value]"""


@dataclass(frozen=True, slots=True)
class FlagFixtures:
    """The fixtures that set a project's flags, as lines of code.

    Attributes:
        import_lines: the imports that the fixtures need, with that of pytest.
        fixture_lines: the fixtures and their tables.
        fixture_names: the names of the fixtures.
    """

    import_lines: tuple[str, ...]
    fixture_lines: tuple[str, ...]
    fixture_names: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.fixture_names)

    @property
    def conftest_text(self) -> str:
        """The text of a `conftest.py` with the fixtures."""
        lines = ['"""Sets the flags of the tests in this folder."""', "", *self.import_lines, *self.fixture_lines]
        return "\n".join(lines) + "\n"


NO_FIXTURES = FlagFixtures((), (), ())
"""The fixtures of a project that needs none, because all its flags are read from the environment when the code runs."""


def make_flag_fixtures(
    flags: Sequence[DetectedFlag],
    client_functions: Sequence[str],
    targets: Mapping[str, Sequence[FlagAttribute]],
    folder: str,
) -> FlagFixtures:
    """Return the fixtures that set those of `flags` that are not read from the environment when the code runs.

    The fixtures replace the `client_functions`, which would make a LaunchDarkly client without the test's flag values.
    `targets` are the attributes that hold flags which are read at import, by variable. `folder` is on `sys.path`.
    """
    services = [flag for flag in flags if flag.source_kind == "set"]
    options = [flag for flag in flags if flag.source_kind == "option"]
    attributes = [(flag, target) for flag in flags if flag.source_kind == "attribute" for target in targets[flag.key]]
    if not (services or options or attributes):
        return NO_FIXTURES
    keys = ", ".join(f'"{one.name}": "{one.key}"' for one in services)
    code = ["", f"KEYS = {{{keys}}}"] if services else []
    code += _option_table(options) if options else []
    code += ["", "", "@pytest.fixture", *_setter_lines(bool(services), client_functions, attributes, folder)]
    code += _FLAG_OPTIONS_CODE.splitlines() if options else []
    names = ("harness_set_flags", *(["flag_options"] if options else []))
    imports = _LAUNCHDARKLY_IMPORTS if services else ("import pytest",)
    return FlagFixtures(imports, tuple(code), names)


def _option_table(options: Sequence[DetectedFlag]) -> list[str]:
    """Return the lines of a table in the test: a flag and its value, and the command-line option that gives the flag
    this value.
    """
    texts = [
        f'    ("{flag.name}", {is_on}): "{option}",'
        for flag in options
        for is_on, option in ((True, flag.on), (False, flag.off))
        if option
    ]
    return ["", "OPTIONS = {  # a flag and its value, and the option that gives it", *texts, "}"]


def _setter_lines(
    has_services: bool,
    client_functions: Sequence[str],
    attributes: Sequence[tuple[DetectedFlag, FlagAttribute]],
    folder: str,
) -> list[str]:
    """Return the lines of the fixture `harness_set_flags`.

    `has_services` is true if LaunchDarkly has flags. `attributes` are the flags that are set as attributes.
    """
    if not (has_services or attributes):
        return [
            "def harness_set_flags():",
            "    return lambda combination: None  # the tests pass the options: see flag_options",
        ]
    parameter = "monkeypatch" if attributes or (has_services and client_functions) else ""
    before = [f"import {one}" for one in sorted({_module_name(target.module_path, folder) for _, target in attributes})]
    before += [""] * bool(before)
    before += _LAUNCHDARKLY_SETUP.splitlines() if has_services else []
    before += [f'monkeypatch.setattr("{name}", ldclient.get)' for name in client_functions] if has_services else []
    before += [""] * has_services
    body = _LAUNCHDARKLY_LOOP.splitlines() if has_services else []
    for flag, target in attributes:
        owner = ".".join(filter(None, (_module_name(target.module_path, folder), target.owner_expression)))
        body.append(f'if "{flag.name}" in combination.values:')
        body.append(f'    monkeypatch.setattr({owner}, "{target.attribute_name}", combination.values["{flag.name}"])')
    after = ["", "yield set_flags", _LAUNCHDARKLY_TEARDOWN] if has_services else ["", "return set_flags"]
    lines = [*before, "def set_flags(combination):", *(f"    {one}" for one in body), *after]
    return [f"def harness_set_flags({parameter}):", *(f"    {one}".rstrip() for one in lines)]


def _module_name(path: str, folder: str) -> str:
    """Return the dotted name under which the module in the file `path` can be imported, with `folder` on `sys.path`."""
    file = PurePosixPath(path.removesuffix(".py").removesuffix("/__init__"))
    return ".".join((file if folder == "." else file.relative_to(folder)).parts)


def can_set_flag_attributes(targets: Sequence[FlagAttribute], folder: str) -> bool:
    """Return whether the modules of `targets` can be imported with `folder` on `sys.path`."""
    inside = folder == "." or all(target.module_path.startswith(f"{folder}/") for target in targets)
    return inside and all(
        _module_name(target.module_path, folder).replace(".", "_").isidentifier() for target in targets
    )
