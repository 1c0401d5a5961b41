"""Reads what a suite of pytest-recording configures: marks, `vcr_config` and the hook, and where its cassettes are."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.errors import ConfigError
from flag_harness.plugin.run.names import shorten_vcr_name
from flag_harness.vcr.matchers import Matcher
from flag_harness.vcr.serializers import SERIALIZERS, Serializer
from flag_harness.vcr.settings import SUPPORTED_SETTINGS, VcrSettings, parse_settings

if TYPE_CHECKING:
    from flag_harness.cassette import Filters


class Vcr:
    """The argument of `pytest_recording_configure`, and pytest-vcr's fixture `vcr`, in place of vcrpy's `VCR`.

    Settings that are set as attributes apply to every cassette, unless `vcr_config` or the mark overrides them.
    """

    def __init__(self) -> None:
        self.__dict__["matchers"] = {}
        self.__dict__["serializers"] = dict(SERIALIZERS)
        self.__dict__["settings"] = {}

    matchers: dict[str, Matcher]
    serializers: dict[str, Serializer]
    settings: dict[str, Any]

    def register_matcher(self, name: str, matcher: Matcher) -> None:
        """Register a matcher for `match_on`."""
        self.matchers[name] = matcher

    def register_serializer(self, name: str, serializer: Serializer) -> None:
        """Register a serializer, in place of another of that name if there is one."""
        self.serializers[name] = serializer

    def register_persister(self, persister: object) -> None:
        """Have all cassettes loaded and saved by a persister."""
        self.settings["persister"] = persister

    def __setattr__(self, name: str, value: object) -> None:
        self.settings[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["settings"][name]
        except KeyError:
            raise AttributeError(
                f"vcr_marks: vcr.{name} has not been set, and is no method that vcr_marks has; "
                "it has register_matcher, register_serializer and register_persister"
            ) from None


def adopt_vcr(vcr: Any) -> Vcr:
    """Return the settings of vcrpy's own `VCR`, which a suite may have made in place of ours; ours unchanged."""
    if isinstance(vcr, Vcr):
        return vcr
    found = Vcr()
    found.settings.update({name: value for name in SUPPORTED_SETTINGS if (value := getattr(vcr, name, None))})
    if f"{getattr(found.settings.get('persister'), '__module__', '')}.".startswith("vcr."):
        del found.settings["persister"]  # the one that keeps cassettes in files, as ours does
    found.matchers.update(vcr.matchers)
    for name, serializer in vcr.serializers.items():
        is_default = name in SERIALIZERS and getattr(serializer, "__name__", "").startswith("vcr.")
        if not is_default:
            found.serializers[name] = serializer
    return found


def refuse_cassette_fixture(request: pytest.FixtureRequest) -> None:
    """Raise `UsageError` if the test has the fixture `cassette` too: both would answer it."""
    if "harness_cassette" in request.fixturenames:
        raise pytest.UsageError(f"{request.node.nodeid}: use either @pytest.mark.vcr or the cassette fixture, not both")


def merge_settings(config: Mapping[str, Any], marks: Sequence[pytest.Mark]) -> dict[str, Any]:
    """Return `vcr_config` updated with the arguments of the `vcr` marks, the nearest mark last."""
    options = dict(copy.deepcopy(config))
    for mark in reversed(marks):
        options.update(mark.kwargs)
    return options


def vcr_settings(node: pytest.Item, options: Mapping[str, Any], record_mode: str) -> VcrSettings:
    """Return the settings of a test's cassette. Raises `UsageError` that names an unsupported one."""
    vcr = Vcr()
    node.config.hook.pytest_recording_configure(config=node.config, vcr=vcr)
    return configured_settings(node, vcr, options, record_mode)


def configured_settings(node: pytest.Item, vcr: Vcr, options: Mapping[str, Any], record_mode: str) -> VcrSettings:
    """Return the settings of `vcr`, updated with the options. Raises `UsageError` that names an unsupported one."""
    try:
        return parse_settings({**vcr.settings, **options}, vcr.matchers, record_mode, vcr.serializers)
    except ConfigError as error:
        raise pytest.UsageError(f"{node.nodeid}: vcr_config or @pytest.mark.vcr: {error}") from None


def add_project_filters(settings: VcrSettings, filters: "Filters") -> VcrSettings:
    """Return the settings with the project's own filters, which come after the suite's."""
    if not filters:
        return settings
    from flag_harness.vcr.secrets import personal_data_refusal_hook, project_request_filter, project_response_filter

    return replace(
        settings,
        request_filters=(*settings.request_filters, project_request_filter(filters)),
        response_filters=(*settings.response_filters, project_response_filter(filters)),
        save_hooks=(*settings.save_hooks, personal_data_refusal_hook(filters)),
    )


def vcr_cassette_path(name: str, folder: str, options: Mapping[str, Any]) -> Path:
    """Return the path of the cassette with that name, shortened as pytest-recording does if it is too long."""
    name = shorten_vcr_name(name, options.get("serializer", ".yaml"))
    if transform := options.get("path_transformer"):
        name = transform(name)
    else:
        suffix = f".{options.get('serializer', 'yaml')}"
        name = name if name.endswith(suffix) else name + suffix
    library = os.fspath(options.get("cassette_library_dir") or folder)
    return Path(name if name.startswith(library) else os.path.join(library, name))


def extra_paths(marks: Sequence[pytest.Mark], folder: str) -> list[Path]:
    """Return the paths of the additional cassettes that the marks name, relative to `folder`."""
    return [Path(folder, name) for mark in marks for name in mark.args]
