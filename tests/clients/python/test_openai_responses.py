"""Responses through the openai package: text, events, tools, forms, and what is refused."""

import json

import jsonschema
import openai
import pytest

QUESTION = "Tell me a story."
SCHEMA = {
    "type": "object",
    "properties": {
        "place": {"type": "string", "maxLength": 10},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["place", "days"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "name": "get_weather", "description": "The weather.", "parameters": SCHEMA, "strict": True}


@pytest.fixture(scope="module")
def respond(client, model):
    def ask(**fields):
        defaults = {"model": model, "input": QUESTION, "max_output_tokens": 30, "temperature": 0}
        return client.responses.create(**{**defaults, **fields})

    return ask


def test_an_answer_is_that_of_the_same_chat(server, client, model, respond):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    chat = client.chat.completions.create(model=model, messages=messages, max_tokens=30, temperature=0)
    response = respond(instructions="Be brief.")
    assert response.output_text == chat.choices[0].message.content
    assert response.usage.input_tokens == chat.usage.prompt_tokens == len(server.chat_tokens(messages))
    assert response.usage.output_tokens == chat.usage.completion_tokens
    assert response.usage.total_tokens == chat.usage.total_tokens


def test_an_array_of_messages_is_the_same_input_as_its_text(respond):
    as_items = respond(input=[{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}])
    assert as_items.output_text == respond().output_text


def test_an_answer_that_is_cut_off_is_incomplete(respond):
    cut = respond(max_output_tokens=4)
    assert cut.status == "incomplete"
    assert cut.incomplete_details.reason == "max_output_tokens"
    assert cut.usage.output_tokens == 4
    assert respond().output_text.startswith(cut.output_text)


def test_the_same_seed_gives_the_same_answer(respond):
    texts = [respond(temperature=1, extra_body={"seed": seed}).output_text for seed in (1, 2, 1)]
    assert texts[0] == texts[2] != texts[1]


def test_events_tell_the_whole_answer_in_order(respond):
    events = list(respond(stream=True))
    whole = respond()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert [kind for kind in kinds if kind != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed" if whole.status == "completed" else "response.incomplete",
    ]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == whole.output_text == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens == whole.usage.output_tokens


def test_the_stream_helper_gathers_the_answer(client, model, respond):
    with client.responses.stream(model=model, input=QUESTION, max_output_tokens=30, temperature=0) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert text == respond().output_text


@pytest.mark.parametrize("seed", range(3))
def test_a_forced_call_satisfies_its_schema_and_its_result_is_taken(respond, seed):
    fields = {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False, "temperature": 1.5}
    response = respond(**fields, max_output_tokens=300, extra_body={"seed": seed})
    (call,) = response.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    jsonschema.validate(json.loads(call.arguments), SCHEMA)

    asked = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    question = {"role": "user", "content": QUESTION}
    answer = respond(input=[question, asked, result])
    assert answer.output_text
    assert answer.usage.input_tokens > respond().usage.input_tokens


def test_a_streamed_call_is_the_whole_one(respond):
    fields = {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False, "temperature": 1.5,
              "max_output_tokens": 300, "extra_body": {"seed": 5}}
    (call,) = respond(**fields).output
    events = list(respond(**fields, stream=True))
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    (done,) = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert "".join(deltas) == done.arguments == call.arguments
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_satisfies_its_schema(respond, seed):
    form = {"format": {"type": "json_schema", "name": "forecast", "schema": SCHEMA, "strict": True}}
    response = respond(text=form, temperature=2, max_output_tokens=200, extra_body={"seed": seed})
    assert response.status == "completed"
    jsonschema.validate(json.loads(response.output_text), SCHEMA)


def test_what_would_need_a_memory_is_refused_by_name(respond):
    with pytest.raises(openai.BadRequestError) as refused:
        respond(previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"
    assert refused.value.code == "unsupported"
