"""The table of models: complete, sourced, cautious where it does not know, and right about money."""

import logging
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness import models
from flag_harness.errors import ConfigError
from flag_harness.models import (
    DEFAULT_MODEL,
    EFFORTS,
    Model,
    TokenPrices,
    effort_for_budget,
    find_model,
    load_model_table,
    parse_model_table,
    thinking_parameters,
)
from flag_harness.wire.usage import Usage

REQUIRED = {
    "thinking",
    "thinks_by_default",
    "efforts",
    "max_output_tokens",
    "context_window",
    "smallest_cacheable_prefix",
}
OURS = "a choice of this project"
SHIPPED_IDS = sorted(load_model_table().models)
COUNTS = st.integers(min_value=0, max_value=10**7)


def sdk_ids() -> list[str]:
    """The ids of the installed SDK's own type."""
    from anthropic.types import model

    literal, _ = get_args(model.Model)
    return list(get_args(literal))


def test_every_id_of_the_sdk_is_in_the_table() -> None:
    """Dated ids included."""
    import anthropic

    if not anthropic.__version__.startswith("2.12."):
        pytest.skip(f"the table follows SDK 2.12; {anthropic.__version__} is installed")
    expected = set(sdk_ids())
    assert expected == {model_id for model_id in expected if find_model(model_id).is_known}


def test_what_no_source_states_is_exactly_this() -> None:
    """A hole in the table is seen here, not in a report."""
    holes = {
        name: sorted(figure.name for figure in model.sourced_values if figure.source == OURS)
        for name, model in load_model_table().models.items()
    }
    expected = {
        "claude-fable-5-2": ["efforts", "smallest_cacheable_prefix"],
        "claude-mythos-5-2": ["efforts", "smallest_cacheable_prefix"],
        "claude-mythos-preview": ["context_window", "max_output_tokens"],
    }
    assert expected == {name: hole for name, hole in holes.items() if hole}
    without_prices = ["claude-mythos-5-2", "claude-mythos-preview"]
    assert without_prices == [name for name, model in load_model_table().models.items() if not model.prices]


@pytest.mark.parametrize("model_id", SHIPPED_IDS)
def test_every_figure_has_a_source_and_a_date(model_id: str) -> None:
    """A report can print each of them, and none is missing from the print."""
    model = find_model(model_id)
    figures = {figure.name: figure for figure in model.sourced_values}
    assert set(figures) >= REQUIRED
    for figure in figures.values():
        assert figure.source.startswith(("https://", "SDK 2.12 ", "recorded: ", OURS))
        assert date(2026, 11, 1) <= figure.read_on <= date.today()
    for name in REQUIRED:
        assert getattr(model, name) == figures[name].value
    for at, band in enumerate(model.prices):
        assert {f"prices[{at}].{name}" for name in TokenPrices.__slots__ if getattr(band, name) is not None} <= set(
            figures
        )


@pytest.mark.parametrize("model_id", SHIPPED_IDS)
def test_figures_fit_each_other(model_id: str) -> None:
    """No default effort that is refused, no output longer than the window, no band after the last."""
    model = find_model(model_id)
    assert model.thinking
    assert model.default_effort is None or not model.efforts or model.default_effort in model.efforts
    assert model.max_output_tokens <= model.context_window
    assert [band.max_prompt_tokens is None for band in model.prices] == [
        at == len(model.prices) - 1 for at in range(len(model.prices))
    ]


def test_defaults_are_the_least_of_the_table() -> None:
    """Cautious: what the defaults allow, every listed model allows."""
    defaults, listed = load_model_table().defaults, load_model_table().models.values()
    assert min(model.max_output_tokens for model in listed) == defaults.max_output_tokens
    assert min(model.context_window for model in listed) == defaults.context_window
    assert max(model.smallest_cacheable_prefix for model in listed) == defaults.smallest_cacheable_prefix


def ends_within_a_year(model: Model) -> bool:
    """Whether its end is announced for the twelve months after the table was read."""
    read = load_model_table().checked_on
    return model.retires is not None and model.retires <= read.replace(year=read.year + 1)


def test_the_default_model_does_not_end_within_a_year() -> None:
    """No end is announced, a promise still stands, and nothing that is said of it is a guess."""
    model = find_model(DEFAULT_MODEL)
    assert model.is_known
    assert not ends_within_a_year(model)
    assert model.retires_not_before is not None
    assert model.retires_not_before > load_model_table().checked_on
    assert OURS not in {figure.source for figure in model.sourced_values}
    assert model.cost(Usage(1, 1, 2, 1, cache_creation_5m=1, cache_creation_1h=1)) is not None


def test_a_model_with_an_announced_end_says_so() -> None:
    """The dates are the SDK's own; such a model could not be the default."""
    expected = {"claude-sonnet-4-5": date(2026, 11, 30), "claude-mythos-preview": date(2026, 6, 30)}
    assert expected == {name: model.retires for name, model in load_model_table().models.items() if model.retires}
    assert set(expected) == {name for name, model in load_model_table().models.items() if ends_within_a_year(model)}


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("claude-opus-5-5-20261224", "claude-opus-5-5"),
    ],
)
def test_a_dated_id_is_the_model(model_id: str, expected: str) -> None:
    """Listed aliases, and any id followed by a date."""
    assert expected == find_model(model_id).id
    assert find_model(model_id).is_known


def test_an_unknown_id_gets_cautious_defaults_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """It works: nothing is asked for that could be refused, and nothing is priced."""
    with caplog.at_level(logging.WARNING, logger="flag_harness.models"):
        model = find_model("claude-sonet-5-5")
        find_model("claude-sonet-5-5")
    expected = (
        "the table of models has no 'claude-sonet-5-5' (nearest: 'claude-sonnet-5-5'), so cautious defaults are used: "
        "64000 output tokens, cacheable from 4096 tokens, no thinking, no price"
    )
    assert [expected] == [record.getMessage() for record in caplog.records]
    assert replace(load_model_table().defaults, id="claude-sonet-5-5") == model
    assert not model.is_known
    assert not thinking_parameters(model, 12_000)
    assert model.cost(Usage(1, 1)) is None
    assert {OURS} == {figure.source for figure in model.sourced_values}


def test_costs_are_what_a_hand_computes() -> None:
    """Sonnet 5.5: 1,000 in at 2, 500 out at 10, 2,000 + 3,000 written at 2.50 and 4, 40,000 read at 0.10."""
    usage = Usage(1_000, 500, 5_000, 40_000, cache_creation_5m=2_000, cache_creation_1h=3_000, thinking_tokens=100)
    assert pytest.approx(0.002 + 0.005 + 0.005 + 0.012 + 0.004) == find_model("claude-sonnet-5-5").cost(usage)


def test_writes_of_no_stated_lifetime_cost_the_default_lifetime() -> None:
    """Answers of before August 2025 state no split: five minutes is the API's default."""
    model = find_model("claude-haiku-4-5")
    assert pytest.approx(1.25) == model.cost(Usage(cache_creation_input_tokens=1_000_000))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(100_000, 1_000), 0.0105),
        (Usage(100_001, 1_000), 0.0525005),
        (Usage(1, 0, 20_000, 79_999, cache_creation_5m=20_000), 0.00330009),
        (Usage(2, 0, 20_000, 79_999, cache_creation_1h=20_000), 0.02400095),
    ],
)
def test_haiku_costs_more_above_100_000_tokens_of_prompt(usage: Usage, expected: float) -> None:
    """The whole prompt decides, cached tokens included, and the whole answer is priced by its band."""
    assert pytest.approx(expected, rel=1e-9) == find_model("claude-haiku-5-5").cost(usage)


def test_a_price_that_nobody_states_gives_no_cost() -> None:
    """Only where it is needed."""
    model = find_model("claude-fable-5-2")
    assert model.cost(Usage(cache_creation_input_tokens=1, cache_creation_1h=1)) is None
    assert pytest.approx(48e-6) == model.cost(Usage(1, 1))


def test_a_prompt_beyond_the_last_band_has_no_cost() -> None:
    """A table of one's own may stop at a length."""
    model = Model("m", prices=(TokenPrices(input=1.0, max_prompt_tokens=10),))
    assert pytest.approx(10e-6) == model.cost(Usage(10))
    assert model.cost(Usage(11)) is None


@given(st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS), st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS))
def test_costs_add_up_where_there_is_one_band(a: Usage, b: Usage) -> None:
    """Two answers cost what their sum costs, never less than one of them."""
    model = find_model("claude-sonnet-5-5")
    first, second, both = model.cost(a), model.cost(b), model.cost(a + b)
    assert first is not None
    assert second is not None
    assert pytest.approx(first + second) == both
    assert both is not None
    assert both >= max(first, second)


@pytest.mark.parametrize(
    ("model_id", "budget", "expected"),
    [
        ("claude-haiku-4-5", 12_000, {"thinking": {"type": "enabled", "budget_tokens": 12_000}}),
        ("claude-opus-4-5", 2_000, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}),
        ("claude-sonnet-5-5", 12_000, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
        ("claude-opus-4-6", 60_000, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("claude-fable-5-2", 12_000, {"thinking": {"type": "adaptive"}}),
    ],
)
def test_thinking_is_asked_for_as_the_model_wants_it(model_id: str, budget: int, expected: dict[str, Any]) -> None:
    """A budget, an effort, or adaptive alone where no source names the efforts."""
    assert expected == thinking_parameters(find_model(model_id), budget)


@pytest.mark.parametrize("model_id", SHIPPED_IDS)
@given(budget=st.integers(min_value=1024, max_value=200_000), more=st.integers(min_value=0, max_value=200_000))
def test_more_budget_is_never_less_effort(model_id: str, budget: int, more: int) -> None:
    """And always an effort that the model accepts."""
    model = find_model(model_id)
    less, most = effort_for_budget(model, budget), effort_for_budget(model, budget + more)
    if less is None or most is None:
        assert not model.efforts
        return
    assert {less, most} <= set(model.efforts)
    assert EFFORTS.index(less) <= EFFORTS.index(most)


def test_models_that_cannot_stop_thinking_say_so() -> None:
    """Always on, off unless asked, and on but reducible."""
    expected = {
        "claude-opus-5-5": True,
        "claude-haiku-4-5": False,
        "claude-sonnet-5-5": False,
        "claude-haiku-5-5": False,
    }
    assert expected == {model_id: find_model(model_id).always_thinks for model_id in expected}


def test_models_that_take_no_budget_say_so() -> None:
    """Those of 4.7 and later; 4.6 takes both kinds of thinking, and 4.5 a budget alone."""
    expected = {"claude-opus-4-5": False, "claude-opus-4-6": False, "claude-opus-4-7": True, "claude-sonnet-5": True}
    assert expected == {model_id: find_model(model_id).has_only_adaptive_thinking for model_id in expected}


VALID = """
checked_on = 2026-11-22
[budget_efforts]
low = [4096, "us"]
[defaults]
max_output_tokens = [100, "us"]
[models.m]
aliases = ["n"]
default_effort = ["low", "us"]
[[models.m.prices]]
input = [2, "us"]
[sources]
us = { document = "ours", read_on = 2026-11-22 }
"""


def test_a_table_of_ones_own_reads() -> None:
    """Figures that are left out are the table's own defaults."""
    table = parse_model_table(VALID, "mine.toml")
    expected = Model("m", aliases=("n",), default_effort="low", max_output_tokens=100, prices=(TokenPrices(input=2.0),))
    assert expected == replace(table.find("n"), sourced_values=())
    assert Model("other", is_known=False, max_output_tokens=100) == replace(table.find("other"), sourced_values=())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[defaults]",
            "[default]",
            ": has no key 'default'; the nearest is 'defaults' "
            "(all: checked_on, budget_efforts, defaults, models, sources)",
        ),
        ("checked_on = 2026-11-22\n[b", "[b", ": lacks checked_on, which must be a date (2026-11-22)"),
        (
            '[100, "us"]',
            "100",
            ': defaults max_output_tokens = 100 must be a value with its source: [value, "name of a source"]',
        ),
        ('[100, "us"]', '[0, "us"]', ": defaults max_output_tokens[0] = 0 must be a number of tokens, 1 or more"),
        ('[100, "us"]', '[100, "uss"]', ": sources has no source 'uss'; the nearest is 'us' (all: us)"),
        (
            '[2, "us"]',
            '[-1, "us"]',
            ": models.m.prices[0] input[0] = -1 must be US dollars per million tokens, 0 or more",
        ),
        (
            "input =",
            "inputs =",
            ": models.m.prices[0] has no key 'inputs'; the nearest is 'input' (all: max_prompt_tokens, input, output, "
            "cache_write_5m, cache_write_1h, cache_read)",
        ),
        (
            '["low", "us"]',
            '["lov", "us"]',
            ": models.m default_effort[0] = 'lov' must be one of low, medium, high, xhigh, max; the nearest is 'low'",
        ),
        ('["low", "us"]', '[3, "us"]', ": models.m default_effort[0] = 3 must be one of low, medium, high, xhigh, max"),
        ('aliases = ["n"]', 'aliases = "n"', ": models.m aliases = 'n' must be a list of strings"),
        (
            'document = "ours"',
            'documents = "ours"',
            ": sources.us has no key 'documents'; the nearest is 'document' (all: document, read_on)",
        ),
        ('document = "ours", ', "", ": sources.us lacks document, which must be a string"),
        ("us = {", "we = {", ": sources has no source 'us'; the nearest is 'we' (all: we)"),
        ('us = { document = "ours", read_on = 2026-11-22 }', "", ": sources has no source 'us'; there are none"),
        ("[defaults]", "[default", ": Expected ']' at the end of a table declaration (at line 5, column 9)"),
    ],
)
def test_a_mistake_in_a_table_is_named_with_what_is_nearest(old: str, new: str, message: str) -> None:
    """File, key, and what to write instead."""
    assert old in VALID
    with pytest.raises(ConfigError) as raised:
        parse_model_table(VALID.replace(old, new, 1), "mine.toml")
    assert "mine.toml" + message == str(raised.value)


def test_the_shipped_table_is_read_once_and_only_when_needed() -> None:
    """Importing the module costs no file; the lookups share one table."""
    assert load_model_table() is load_model_table()
    assert (Path(models.__file__).parent / "models.toml").is_file()
