"""Tools through the openai package: forced and automatic calls, whole and streamed, and the way back of results."""

import json

import jsonschema
import pytest

MESSAGES = [{"role": "user", "content": "How warm is it in Nimes?"}]

# Bounded, so that they end within a few hundred tokens.
SCHEMAS = {
    "get_weather": {
        "type": "object",
        "properties": {
            "place": {"type": "string", "maxLength": 12},
            "days": {"type": "integer", "minimum": 1, "maximum": 9},
            "units": {"enum": ["metric", "imperial"]},
        },
        "required": ["place", "days", "units"],
        "additionalProperties": False,
    },
    "order": {
        "type": "object",
        "properties": {"item": {"enum": ['a"b', "c\\d"]}, "gift": {"type": "boolean"}},
        "required": ["item", "gift"],
        "additionalProperties": False,
    },
}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": schema}}
    for name, schema in SCHEMAS.items()
]


@pytest.fixture(scope="module")
def chat(client, model):
    def ask(**fields):
        defaults = {"model": model, "messages": MESSAGES, "tools": TOOLS, "temperature": 1.5, "max_tokens": 400}
        return client.chat.completions.create(**{**defaults, **fields})

    return ask


def check_call(call):
    assert call.type == "function"
    assert call.id.startswith("call_")
    jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])


@pytest.mark.parametrize("seed", range(6))
def test_a_forced_call_satisfies_the_schema_of_its_function(chat, seed):
    answer = chat(tool_choice="required", parallel_tool_calls=False, seed=seed)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    (call,) = message.tool_calls
    check_call(call)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_named_function_is_the_one_that_is_called(chat, name):
    choice = {"type": "function", "function": {"name": name}}
    for seed in range(4):
        (call,) = chat(tool_choice=choice, parallel_tool_calls=False, seed=seed).choices[0].message.tool_calls
        assert call.function.name == name
        check_call(call)


def test_an_automatic_answer_is_calls_or_text_of_its_form(chat):
    """The choice leaves a small model two ways only, so that some seeds take the one and some the other."""
    texts, num_called = set(), 0
    for seed in range(24):
        answer = chat(seed=seed, temperature=3, parallel_tool_calls=False, extra_body={"guided_choice": ["yes", "no"]})
        message = answer.choices[0].message
        if message.tool_calls:
            num_called += 1
            assert answer.choices[0].finish_reason == "tool_calls"
            assert not message.content
            for call in message.tool_calls:
                check_call(call)
        else:
            assert answer.choices[0].finish_reason == "stop"
            texts.add(message.content)
    assert num_called > 0
    assert texts and texts <= {"yes", "no"}


def test_free_text_is_left_alone(chat):
    answer = chat(temperature=0, max_tokens=20)
    assert answer.choices[0].message.tool_calls is None
    assert len(answer.choices[0].message.content) > 0


def test_without_a_choice_of_tools_the_model_is_shown_none(chat):
    with_none = chat(tool_choice="none", temperature=0, max_tokens=20)
    alone = chat(tools=[], temperature=0, max_tokens=20)
    assert with_none.usage.prompt_tokens == alone.usage.prompt_tokens
    assert with_none.choices[0].message.content == alone.choices[0].message.content
    assert chat(temperature=0, max_tokens=20).usage.prompt_tokens > alone.usage.prompt_tokens


def streamed_calls(chunks):
    """[name, arguments] by index; ids and names come with the first delta of a call only."""
    calls, reason = {}, None
    for chunk in chunks:
        for choice in chunk.choices:
            assert not choice.delta.content
            for delta in choice.delta.tool_calls or []:
                if delta.index not in calls:
                    assert delta.id.startswith("call_")
                    calls[delta.index] = [delta.function.name, ""]
                else:
                    assert delta.id is None and delta.function.name is None
                calls[delta.index][1] += delta.function.arguments
            reason = choice.finish_reason or reason
    return [calls[index] for index in sorted(calls)], reason


@pytest.mark.parametrize("seed", range(4))
def test_a_streamed_call_is_the_whole_one(chat, seed):
    fields = {"tool_choice": "required", "seed": seed, "parallel_tool_calls": False}
    whole = chat(**fields).choices[0]
    calls, reason = streamed_calls(chat(**fields, stream=True))
    assert calls == [[call.function.name, call.function.arguments] for call in whole.message.tool_calls]
    assert reason == whole.finish_reason == "tool_calls"


def test_the_stream_helper_gathers_the_arguments(client, model):
    fields = {"model": model, "messages": MESSAGES, "tools": TOOLS, "tool_choice": "required", "seed": 2}
    with client.chat.completions.stream(**fields, parallel_tool_calls=False, max_tokens=400) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    check_call(call)
    assert [(event.name, event.arguments) for event in done] == [(call.function.name, call.function.arguments)]


def test_an_answer_that_is_cut_off_in_a_call_says_so(chat):
    choice = chat(tool_choice="required", seed=1, max_tokens=12).choices[0]
    assert choice.finish_reason == "length"


def test_a_result_becomes_part_of_the_next_prompt(server, chat):
    (call,) = chat(tool_choice="required", seed=1, parallel_tool_calls=False).choices[0].message.tool_calls
    asked = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    messages = [*MESSAGES, asked, result]
    shown = server.post("/apply-template", {"messages": messages, "tools": TOOLS})["prompt"]
    assert call.function.arguments in shown
    assert shown.index(call.function.arguments) < shown.index("21 degrees")
    answer = chat(messages=messages, temperature=0, max_tokens=20)
    assert answer.usage.prompt_tokens == len(server.tokens(shown))
