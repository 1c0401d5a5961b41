"""Read the configuration of a suite written for pytest-recording: its marks, `vcr_config`, hook and cassette paths."""

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


class VcrStandIn:
    """Stands in for vcrpy's `VCR` object, in the hook of pytest-recording and in the fixture `vcr` of pytest-vcr.

    An attribute that is set on it applies to every cassette, unless `vcr_config` or the mark overrides it.
    """

    def __init__(self) -> None:
        self.__dict__["matchers"] = {}
        self.__dict__["serializers"] = dict(SERIALIZERS)
        self.__dict__["settings"] = {}

    matchers: dict[str, Matcher]
    serializers: dict[str, Serializer]
    settings: dict[str, Any]

    def register_matcher(self, name: str, matcher: Matcher) -> None:
        """Register a function that compares two requests. `match_on` can then contain its name."""
        self.matchers[name] = matcher

    def register_serializer(self, name: str, serializer: Serializer) -> None:
        """Register a serializer of cassettes under a name. It replaces another one of the same name."""
        self.serializers[name] = serializer

    def register_persister(self, persister: object) -> None:
        """Use a persister to load and save all cassettes."""
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


def convert_to_stand_in(vcr: Any) -> VcrStandIn:
    """Return a `VcrStandIn` with the settings of vcrpy's own `VCR` object, which a suite may have made."""
    if isinstance(vcr, VcrStandIn):
        return vcr
    found = VcrStandIn()
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
    """Raise `UsageError` if a test with the mark `vcr` also uses the fixture `cassette`: both would answer its
    requests.
    """
    if "harness_cassette" in request.fixturenames:
        raise pytest.UsageError(f"{request.node.nodeid}: use either @pytest.mark.vcr or the cassette fixture, not both")


def merge_settings(config: Mapping[str, Any], marks: Sequence[pytest.Mark]) -> dict[str, Any]:
    """Return the settings in `vcr_config`, updated with the arguments of the `vcr` marks. The nearest mark wins."""
    options = dict(copy.deepcopy(config))
    for mark in reversed(marks):
        options.update(mark.kwargs)
    return options


def vcr_settings(node: pytest.Item, options: Mapping[str, Any], record_mode: str) -> VcrSettings:
    """Return the settings of a test's cassette. Raise a `UsageError` that names an unsupported setting."""
    vcr = VcrStandIn()
    node.config.hook.pytest_recording_configure(config=node.config, vcr=vcr)
    return vcr_settings_of_module(node, vcr, options, record_mode)


def vcr_settings_of_module(
    node: pytest.Item, vcr: VcrStandIn, options: Mapping[str, Any], record_mode: str
) -> VcrSettings:
    """Return the settings of the object `vcr`, updated with `options`. Raise a `UsageError` that names an unsupported
    setting.
    """
    try:
        return parse_settings({**vcr.settings, **options}, vcr.matchers, record_mode, vcr.serializers)
    except ConfigError as error:
        raise pytest.UsageError(f"{node.nodeid}: vcr_config or @pytest.mark.vcr: {error}") from None


def add_project_filters(settings: VcrSettings, filters: "Filters") -> VcrSettings:
    """Return the settings of a suite's cassettes, with the filters of `[tool.flag-harness]` added after the suite's
    own.
    """
    if not filters:
        return settings
    from flag_harness.vcr.secrets import (
        make_personal_data_refusal_hook,
        make_project_request_filter,
        make_project_response_filter,
    )

    return replace(
        settings,
        request_filters=(*settings.request_filters, make_project_request_filter(filters)),
        response_filters=(*settings.response_filters, make_project_response_filter(filters)),
        save_hooks=(*settings.save_hooks, make_personal_data_refusal_hook(filters)),
    )


def vcr_cassette_path(name: str, folder: str, options: Mapping[str, Any]) -> Path:
    """Return the path of the cassette `name`. Names that are too long are shortened as in pytest-recording."""
    name = shorten_vcr_name(name, options.get("serializer", ".yaml"))
    if transform := options.get("path_transformer"):
        name = transform(name)
    else:
        suffix = f".{options.get('serializer', 'yaml')}"
        name = name if name.endswith(suffix) else name + suffix
    library = os.fspath(options.get("cassette_library_dir") or folder)
    return Path(name if name.startswith(library) else os.path.join(library, name))


def extra_cassette_paths(marks: Sequence[pytest.Mark], folder: str) -> list[Path]:
    """Return the paths of the additional cassettes that the marks name, relative to `folder`."""
    return [Path(folder, name) for mark in marks for name in mark.args]
