"""The fixtures of pytest-vcr that suites override. If pytest-vcr is installed, its own fixtures are used."""

from typing import Any

import pytest


@pytest.fixture(name="vcr_config", scope="module")
def module_vcr_config() -> dict[str, Any]:
    """Return settings for the vcrpy cassettes of a module's tests. Override this fixture to change them."""
    return {}


@pytest.fixture(name="vcr_cassette_dir", scope="module")
def folder_beside_module(request: pytest.FixtureRequest) -> str:
    """Return the folder of the cassettes, `cassettes` beside the module. Override this fixture to keep them
    elsewhere.
    """
    return str(request.path.parent / "cassettes")


@pytest.fixture
def vcr_cassette_name(request: pytest.FixtureRequest) -> str:
    """Return the name of the test's cassette, `TestClass.test_name[id]`. Override this fixture for other names."""
    return f"{request.cls.__name__}.{request.node.name}" if request.cls else str(request.node.name)
