"""Ways of losing a session."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.reference import ConversationContext
from flag_harness.reference import agent as agents
from flag_harness.reference.context import store
from flag_harness.reference.context.repair import repair_context

Patch = pytest.MonkeyPatch


def keys_sorted_on_disk(patch: Patch) -> None:
    """A saved session is tidied up."""
    document = store._context_to_json
    patch.setattr(store, "_context_to_json", lambda context: json.loads(json.dumps(document(context), sort_keys=True)))


def fields_that_were_never_sent(patch: Patch) -> None:
    """SDK objects are saved with every field that they could have."""
    patch.setattr(
        store,
        "to_json_value",
        lambda value: json.loads(json.dumps(value, default=lambda one: one.model_dump(mode="json"))),
    )


def written_in_place(patch: Patch) -> None:
    """`json.dump(session, open(path, "w"))`"""

    def plainly(path: Path, data: bytes) -> None:
        with path.open("w", encoding="utf-8") as file:
            json.dump(json.loads(data), file, indent=2)

    patch.setattr(store, "write_atomically", plainly)


def a_corrupt_file_taken_for_an_empty_session(patch: Patch) -> None:
    """What cannot be read is replaced by nothing."""

    def forgiving(text: str, **options: Any) -> Any:
        try:
            return json.loads(text, **options)
        except ValueError:
            return store._context_to_json(ConversationContext())

    patch.setattr(store, "json", SimpleNamespace(**{**vars(json), "loads": forgiving}))


def not_healed(patch: Patch) -> None:
    """A restored session is sent as it was saved."""
    patch.setattr(agents, "repair_context", lambda context: (context, ()))


def the_call_taken_back(patch: Patch) -> None:
    """A call without its result is cut out, as if nobody had made it."""

    def cut(context: ConversationContext) -> tuple[ConversationContext, tuple[str, ...]]:
        sound, notes = repair_context(context)
        if not notes:
            return sound, notes
        texts = [
            {**message, "content": [block for block in message["content"] if block["type"] == "text"]}
            for message in context.messages
        ]
        return replace(context, messages=(*texts, {"role": "user", "content": []})), notes

    patch.setattr(agents, "repair_context", cut)


def a_result_made_up(patch: Patch) -> None:
    """A call that nobody ran is answered as if it had gone well."""

    def inventive(context: ConversationContext) -> tuple[ConversationContext, tuple[str, ...]]:
        sound, notes = repair_context(context)
        text = json.dumps(sound.messages).replace(', "is_error": true', "")
        return replace(sound, messages=tuple(json.loads(text))), notes

    patch.setattr(agents, "repair_context", inventive)


def nothing_told(patch: Patch) -> None:
    """There is no transition prompt."""
    patch.setattr(agents, "make_transition_prompt", lambda *given: None)


def told_each_time(patch: Patch) -> None:
    """There is a transition prompt at every restore."""
    patch.setattr(agents, "make_transition_prompt", lambda *given: "This session was restored.")


def told_in_general_words(patch: Patch) -> None:
    """The transition prompt does not say what changed."""
    prompt = agents.make_transition_prompt
    patch.setattr(agents, "make_transition_prompt", lambda *given: prompt(*given) and "Something has changed.")
