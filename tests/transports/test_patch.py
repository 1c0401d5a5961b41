"""Replacing an attribute for a while."""

import pytest

from flag_harness.transports.patch import replace_attribute


class Parent:
    """Has an attribute that its child inherits."""

    word = "parent's"


class Child(Parent):
    """Inherits it."""


def test_an_own_attribute_is_as_before_after_an_error() -> None:
    """The error itself passes."""

    def fail() -> None:
        with replace_attribute(Parent, "word", "other"):
            raise KeyError(Child.word)

    with pytest.raises(KeyError, match="other"):
        fail()
    assert "parent's" == Parent.word


def test_an_inherited_attribute_is_inherited_again() -> None:
    """Nothing stays behind on the child."""
    with replace_attribute(Child, "word", "own"):
        assert ("parent's", "own") == (Parent.word, Child.word)
    assert "word" not in vars(Child)
    assert "parent's" == Child.word
