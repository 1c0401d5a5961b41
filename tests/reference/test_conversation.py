"""The messages of a conversation: how each step adds to them."""

from typing import Any

from flag_harness.reference.context.conversation import (
    add_model_answer,
    add_tool_results,
    add_user_turn,
    ends_with_user_turn,
    remove_last_turn,
)
from flag_harness.reference.tools.tool import ToolOutcome

RESULT = ToolOutcome("toolu_1", "done").result_block


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def test_an_answered_conversation_gets_a_new_turn() -> None:
    """A text after an answer is a turn of its own, the transition in front."""
    answered = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"})
    assert (*answered, user(text("Go on."))) == add_user_turn(answered, "Go on.")
    assert (*answered, user(text("Restored."), text("Go on."))) == add_user_turn(answered, "Go on.", "Restored.")


def test_an_unanswered_turn_is_joined() -> None:
    """By a text that it does not end with, whether it was a string or blocks."""
    assert (user(text("Hi"), text("Hello?")),) == add_user_turn(({"role": "user", "content": "Hi"},), "Hello?")
    assert (user(text("Hi")),) == add_user_turn((user(text("Hi")),), "Hi")
    assert (user(text("Hi")),) == add_user_turn((user(text("Hi")),), None)


def test_results_stay_in_front() -> None:
    """The API wants results of tools first; the transition follows them, then what the user says."""
    pending = (user(RESULT, text("Hi")),)
    assert (user(RESULT, text("Restored."), text("Hi"), text("Well?")),) == add_user_turn(pending, "Well?", "Restored.")


def test_an_answer_is_added_once() -> None:
    """An empty one adds nothing, one after a pause joins what came before it."""
    asked = (user(text("Hi")),)
    paused = add_model_answer(asked, [text("One")])
    assert asked == add_model_answer(asked, [])
    assert (*asked, {"role": "assistant", "content": [text("One"), text("Two")]}) == add_model_answer(
        paused, [text("Two")]
    )
    assert (*asked, {"role": "assistant", "content": [text("One")]}) == paused


def test_blank_texts_are_not_sent_back() -> None:
    """The API writes them in front of calls, and answers 400 where it gets them back."""
    asked = (user(text("Hi")),)
    call = {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {}}
    assert (*asked, {"role": "assistant", "content": [call]}) == add_model_answer(asked, [text("\n\n"), call])
    assert asked == add_model_answer(asked, [text("")])


def test_it_is_known_whose_turn_it_is() -> None:
    """The user's last turn awaits an answer; an empty conversation does not."""
    asked = (user(text("Hi")),)
    assert [False, True, False] == [
        ends_with_user_turn(messages) for messages in ((), asked, add_model_answer(asked, [text("A")]))
    ]
    assert user(RESULT) == add_tool_results(asked, [ToolOutcome("toolu_1", "done")])[-1]


def test_the_last_turn_is_taken_back() -> None:
    """With all that followed it; results of tools are no turn of the user."""
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "note", "input": {}}]}
    answered = (user(text("Hi")), {"role": "assistant", "content": [text("Hello")]})
    assert answered == remove_last_turn((*answered, user(text("Go on.")), call, user(RESULT)))
    assert (*answered, call, user(RESULT)) == remove_last_turn((*answered, call, user(RESULT, text("And now?"))))
    assert () == remove_last_turn((call, user(RESULT)))
