"""How well attribution names what flags change: planted agents with known effects, ids and dates mixed in."""

import argparse
import copy
import random
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flag_harness.analysis.effects.attribution import FlagEffectAttribution, attribute_effects
from flag_harness.analysis.effects.paired_runs import ObservedRun
from flag_harness.analysis.effects.request_changes import SentRequest
from flag_harness.matrix import FlagSpace, MatrixFlag

BODY: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 4096,
    "system": [{"type": "text", "text": "You help with orders."}],
    "metadata": {"user_id": "u1"},
    "tools": [{"name": "find_order", "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Refund order 17."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "One moment."}]},
        {"role": "user", "content": [{"type": "text", "text": "Please hurry."}]},
    ],
}


@dataclass(frozen=True, slots=True)
class Planted:
    """An effect that an agent really has: it applies if all its flags are on."""

    flags: tuple[str, ...]
    path: str
    apply: Callable[[dict[str, Any]], None]


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *parents, last = path.replace("[", ".[").split(".")

    def apply(body: Any) -> None:
        for part in parents:
            body = body[int(part[1:-1])] if part.startswith("[") else body[part]
        body[int(last[1:-1]) if last.startswith("[") else last] = value

    return apply


PLACES: Sequence[tuple[str, str, Any]] = (
    ("max_tokens", "max_tokens", 16384),
    ("stream", "stream", True),
    ("thinking", "thinking", {"type": "enabled", "budget_tokens": 1024}),
    ("model", "model", "claude-sonnet-4-5-20250929"),
    ("system[*].text", "system[0].text", "You help with orders. Be brief."),
    ("system[*].cache_control", "system[0].cache_control", {"type": "ephemeral"}),
    ("tools[*].input_schema.properties.limit", "tools[0].input_schema.properties.limit", {"type": "integer"}),
    ("tools[*].description", "tools[0].description", "Finds an order by its number."),
    ("tool_choice", "tool_choice", {"type": "any"}),
    ("metadata.team", "metadata.team", "returns"),
    ("messages[*].content[*].cache_control", "messages[2].content[0].cache_control", {"type": "ephemeral"}),
    ("output_config", "output_config", {"effort": "low"}),
    ("service_tier", "service_tier", "standard_only"),
)


def _volatile(body: dict[str, Any], draw: random.Random) -> None:
    """Add what differs from run to run: an id, a time, and both inside of texts."""
    body["metadata"]["trace"] = str(uuid.UUID(int=draw.getrandbits(128)))
    now = f"2026-11-{draw.randint(1, 28):02}T{draw.randint(0, 23):02}:{draw.randint(0, 59):02}:00Z"
    body["system"][0]["text"] += f" It is {now}."
    body["messages"][0]["content"][0]["text"] += f" (ticket {draw.getrandbits(64):016x})"


def planted_agent(seed: int, flags: int = 8) -> tuple[FlagSpace, Sequence[Planted], list[ObservedRun]]:
    """Return an agent's flags, its planted effects, and what it sends under every combination."""
    draw = random.Random(seed)
    space = FlagSpace([MatrixFlag(f"f{index}") for index in range(flags)])
    names = [flag.name for flag in space.flags]
    effects = []
    for path, place, value in draw.sample(PLACES, draw.randint(2, 6)):
        wanted = tuple(sorted(draw.sample(names, draw.choice((1, 1, 2)))))
        effects.append(Planted(wanted, path, _set(place, value)))
    is_volatile = draw.random() < 0.7
    repeats = draw.choice((1, 1, 2))
    runs = []
    for row in space.rows():
        on = {name for name, value in zip(names, row, strict=True) if value}
        for _ in range(repeats if row == space.row_with_values({}) else 1):
            body = copy.deepcopy(BODY)
            for effect in effects:
                if on.issuperset(effect.flags):
                    effect.apply(body)
            if is_volatile:
                _volatile(body, draw)
            runs.append(ObservedRun(row, (SentRequest("POST", "/v1/messages", (), body),)))
    return space, effects, runs


def expected_effects(effects: Sequence[Planted]) -> set[tuple[str, str, str]]:
    """Return the flag, path and condition of every planted effect, once for each of its flags."""
    return {
        (flag, effect.path, " and ".join(other for other in effect.flags if other != flag))
        for effect in effects
        for flag in effect.flags
    }


def named_effects(attribution: FlagEffectAttribution) -> set[tuple[str, str, str]]:
    """Return the flag, path and condition of every effect that attribution names, `*.key` taken apart."""
    return {(effect.flag, path, effect.condition) for effect in attribution.effects for path in effect.paths}


def main() -> int:
    """Print precision and recall over planted agents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--show", action="store_true", help="print what was named wrongly or not at all")
    arguments = parser.parse_args()
    right = named = planted = 0
    started = time.process_time()
    for seed in range(arguments.agents):
        space, effects, runs = planted_agent(seed)
        expected, found = expected_effects(effects), named_effects(attribute_effects(space, {"test": runs}))
        right, named, planted = right + len(expected & found), named + len(found), planted + len(expected)
        if arguments.show and expected != found:
            print(seed, "missing:", sorted(expected - found), "wrong:", sorted(found - expected))
    seconds = time.process_time() - started
    quality = f"precision {right / named:.4f}, recall {right / planted:.4f}"
    print(f"{arguments.agents} agents of 8 flags: {quality}, {seconds:.0f} CPU s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
