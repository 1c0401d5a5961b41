"""Structured output by instructor, which asks again if the answer does not fit the model."""

import anthropic
import instructor
import pytest
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(cassette):
    return instructor.from_anthropic(anthropic.Anthropic(api_key="x"))


@pytest.mark.scenario("person")
def test_person(client):
    messages = [{"role": "user", "content": "Ann is 31."}]
    person = client.messages.create(
        model="claude-haiku-4-5", max_tokens=1024, messages=messages, response_model=Person, max_retries=2
    )
    assert ("Ann", 31) == (person.name, person.age)
