"""`import flag_harness`: the promised names, found when they are asked for."""

import pytest

import flag_harness


@pytest.mark.parametrize("name", flag_harness.__all__)
def test_every_promised_name_is_there(name: str) -> None:
    """Each is what its home calls so."""
    assert name == getattr(flag_harness, name).__name__.rpartition(".")[2]


def test_another_name_is_refused_as_by_any_module() -> None:
    """With Python's own words."""
    with pytest.raises(AttributeError, match=r"^module 'flag_harness' has no attribute 'nothing'$"):
        _ = flag_harness.nothing
