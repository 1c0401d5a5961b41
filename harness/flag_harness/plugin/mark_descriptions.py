"""The pytest marks of the harness."""

MARK_DESCRIPTIONS = (
    "flag_matrix(*names, strength=None): run the test once under every combination of these flags, or of all declared "
    "flags if none is named; strength=2, 3 or 4 runs a covering array instead, 'full' any number of combinations",
    "flags(**pins): run the test with these flags on, off or at a value; the others stay at their defaults",
    "faults(*faults): what goes wrong in this test, outermost first: @pytest.mark.faults(overloaded(on=2)), or "
    "spelled as on the command line, 'overloaded:on=2'",
    "budget(cost=, requests=, input_tokens=, output_tokens=, seconds=): what the requests of the test may use at "
    "most, in US dollars at list price, tokens and seconds; more fails it",
    "scenario(name): the simulator's scenario, `<fixtures>/scenarios/<name>.toml`",
    "harness_filters(headers=[], query=[], json=[], patterns=[]): what must not be recorded or shown, in addition to "
    "the project's filters",
    "harness_no_request: the test sends no request and has no cassette",
    "harness_unplayed: the test may leave recorded interactions unplayed",
    "harness_misses: the test may send requests that its cassette does not hold",
    "harness_repeat(n): run the test n times under each combination; --harness-repeat=N wins over it",
    "harness_stratum(*names): groups of tests that --harness-verdict judges beside each test and all tests, such as "
    "refunds; also on a class or a module",
    "harness_real_time: sleeps, clocks and deadlines of the test's code are real, though nothing in the test is live",
    'harness_sweep(tools="real", assertions=True): how --harness-sweep runs this test: whether its tools run ("real", '
    '"record" or "stub"), '
    "and whether its own assertions must hold if the agent has recovered",
    "harness_network: the test may reach the network while it plays recordings",
)

HARNESS_MARKS = frozenset(mark.partition(":")[0].partition("(")[0] for mark in MARK_DESCRIPTIONS)
"""The names of the marks of the harness."""
