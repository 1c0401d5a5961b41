"""Cassettes in a folder that the module chooses."""

import os

import pytest


@pytest.fixture(scope="module")
def vcr_cassette_dir(request):
    return os.path.join(os.path.dirname(str(request.path)), "elsewhere")


@pytest.mark.vcr
def test_in_another_folder(http_library):
    assert http_library.get("https://api.anthropic.com/v1/models").status_code == 200
