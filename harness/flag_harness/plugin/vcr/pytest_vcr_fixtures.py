"""The fixtures of pytest-vcr that suites override. If it is installed, its own are used instead."""

from typing import Any

import pytest


@pytest.fixture(name="vcr_config", scope="module")
def module_vcr_config() -> dict[str, Any]:
    """Return settings of vcrpy for a module's tests. Override it."""
    return {}


@pytest.fixture(name="vcr_cassette_dir", scope="module")
def folder_beside_module(request: pytest.FixtureRequest) -> str:
    """Return the folder of the cassettes, `cassettes` beside the module. Override it to keep them elsewhere."""
    return str(request.path.parent / "cassettes")


@pytest.fixture
def vcr_cassette_name(request: pytest.FixtureRequest) -> str:
    """Return the name of the test's cassette, `TestClass.test_name[id]`. Override it."""
    return f"{request.cls.__name__}.{request.node.name}" if request.cls else str(request.node.name)
