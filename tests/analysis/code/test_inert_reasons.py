"""Why a flag changes nothing, as its code shows."""

import warnings

import pytest

from flag_harness.analysis.code.inert_reasons import explain_inert_flags
from flag_harness.flag import Flag

AT_IMPORT = "at import, before the test sets it"
FLAG = Flag("planner", "PLANNER")


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("import os\nPLANNER = os.environ.get('PLANNER') == 'true'", 2),
        ("from os import getenv\nclass Config:\n    planner = bool(getenv('PLANNER'))", 3),
        ("import os\nif os.environ['PLANNER']:\n    import planner", 2),
        ("import os\ndef switch(name):\n    return os.getenv(name)\nPLANNER = switch('PLANNER')", 4),
        (
            "import os\nclass C:\n    def __init__(self):\n        self.planner = os.getenv('PLANNER')\nconfig = C()",
            4,
        ),
        ("class Settings(BaseSettings):\n    planner: bool = False\nsettings = Settings()", 2),
    ],
)
def test_a_variable_that_is_read_at_import_is_named_with_its_line(code: str, place: int) -> None:
    """Also by a helper, by a class whose object is made at import, and by a field of pydantic's settings."""
    assert {"planner": f"app.py:{place} reads PLANNER {AT_IMPORT}"} == explain_inert_flags([FLAG], {"app.py": code})


def test_an_object_that_another_module_makes_at_import_counts() -> None:
    """The class and its object often stand in two files."""
    sources = {
        "settings.py": "import os\nclass Settings:\n    def __init__(self):\n        self.p = os.getenv('PLANNER')",
        "app.py": "from settings import Settings\nSETTINGS = Settings()",
    }
    assert {"planner": f"settings.py:4 reads PLANNER {AT_IMPORT}"} == explain_inert_flags([FLAG], sources)


@pytest.mark.parametrize(
    "code",
    [
        "import os\nfrom functools import cache\n@cache\ndef planner():\n    return os.getenv('PLANNER')",
        "class S(BaseSettings):\n    planner: bool = False\n@functools.lru_cache(1)\ndef settings():\n    return S()",
    ],
)
def test_a_value_that_a_cached_function_keeps_is_named(code: str) -> None:
    """It is read under the first combination, and stays so under all others."""
    reason = explain_inert_flags([FLAG], {"app.py": code})["planner"]
    assert reason.endswith("reads PLANNER once and keeps it, so the first test that calls it decides")


@pytest.mark.parametrize(
    ("code", "words"),
    [("os.getenv('PLANNER') == '1'", "'1'"), ("os.getenv('PLANNER') in ('on', 'yes')", "'on' or 'yes'")],
)
def test_a_comparison_with_other_texts_than_those_of_the_flag_is_named(code: str, words: str) -> None:
    """With what the flag sets."""
    source = f"import os\ndef ask():\n    return {code}"
    expected = f"app.py:3 compares PLANNER with {words}, and the flag sets it to 'true'"
    assert {"planner": expected} == explain_inert_flags([FLAG], {"app.py": source})
    assert {} == explain_inert_flags(
        [Flag("planner", "PLANNER", on="1" if "1" in words else "yes")], {"app.py": source}
    )


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef ask():\n    return os.getenv('PLANNER', '').lower() == 'TRUE'",
        "import os\ndef main():\n    return os.getenv('PLANNER')\nif __name__ == '__main__':\n    main()",
        "def broken(:  # PLANNER",
        "class Settings(BaseSettings):\n    other: bool = False\ndef ask():\n    return os.getenv('PLANNER')",
        "import os\nOTHER = os.getenv('OTHER')\n(lambda: 0)('PLANNER')",
    ],
)
def test_code_that_reads_the_flag_as_it_should_gives_no_reason(code: str) -> None:
    """Nor does code that is not Python, that only names the variable, or a flag with another source."""
    assert {} == explain_inert_flags([FLAG, Flag("ranker", openfeature="OTHER")], {"app.py": code})


def test_code_with_a_wrong_escape_is_read_without_a_warning() -> None:
    """Python warns of it where the file is imported; the run's own report need not."""
    code = "import os\nPATTERN = '\\d'\nPLANNER = os.getenv('PLANNER')"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert {"planner": f"app.py:3 reads PLANNER {AT_IMPORT}"} == explain_inert_flags([FLAG], {"app.py": code})
    assert [] == caught


def test_a_choice_is_not_compared_with_the_texts_of_a_switch() -> None:
    """Any text may be one of its values in another release."""
    model = Flag("model", "MODEL", values=("a", "b"), default="a")
    assert {} == explain_inert_flags([model], {"app.py": "import os\ndef ask():\n    return os.getenv('MODEL') == 'c'"})
