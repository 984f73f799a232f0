"""Messages through the anthropic package: text, events, stop sequences, tools, counts and errors."""

import anthropic
import jsonschema
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
TOOL = {"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}


@pytest.fixture(scope="module")
def ask(anthropic_client, model):
    def send(content=QUESTION, **fields):
        messages = [{"role": "user", "content": content}]
        extra_body = {"temperature": 0, **fields.pop("extra_body", {})}
        defaults = {"model": model, "messages": messages, "max_tokens": 30, "extra_body": extra_body}
        return anthropic_client.messages.create(**{**defaults, **fields})

    return send


def text_of(message):
    (block,) = message.content
    assert block.type == "text"
    return block.text


def test_an_answer_is_that_of_the_same_chat(server, client, model, ask):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    chat = client.chat.completions.create(model=model, messages=messages, max_tokens=30, temperature=0)
    message = ask(system="Be brief.")
    assert (message.type, message.role, message.model) == ("message", "assistant", model)
    assert text_of(message) == chat.choices[0].message.content
    assert message.usage.output_tokens == chat.usage.completion_tokens
    counted = message.usage.input_tokens + message.usage.cache_read_input_tokens
    assert counted == chat.usage.prompt_tokens == len(server.chat_tokens(messages))


def test_blocks_of_text_are_the_same_as_their_text(ask):
    assert text_of(ask([{"type": "text", "text": QUESTION}])) == text_of(ask())


def test_tokens_are_counted_without_an_answer(server, anthropic_client, model):
    messages = [{"role": "user", "content": QUESTION}]
    counted = anthropic_client.messages.count_tokens(model=model, messages=messages)
    assert counted.input_tokens == len(server.chat_tokens(messages))


def test_the_reason_of_the_end_is_said(ask):
    cut = ask(max_tokens=3)
    assert (cut.stop_reason, cut.stop_sequence, cut.usage.output_tokens) == ("max_tokens", None, 3)
    ended = ask()
    assert (ended.stop_reason, ended.stop_sequence) == ("end_turn", None)
    whole = text_of(ended)
    stop = whole[8:12]
    stopped = ask(stop_sequences=["never in it", stop])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", stop)
    assert text_of(stopped) == whole[: whole.index(stop)]


def test_a_last_message_of_the_assistant_is_gone_on_with(ask):
    whole = text_of(ask())
    begin = whole[: len(whole) // 2].rstrip()
    turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": begin}]
    rest = ask(messages=turns, max_tokens=2)
    assert 0 < len(text_of(rest)) < 30
    assert rest.usage.output_tokens == 2


def test_events_tell_the_whole_answer_in_order(ask):
    whole = ask()
    events = list(ask(stream=True))
    kinds = [event.type for event in events]
    assert [kind for kind in kinds if kind not in ("content_block_delta", "ping")] == [
        "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop",
    ]
    deltas = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == text_of(whole)
    assert events[-2].delta.stop_reason == whole.stop_reason
    assert events[-2].usage.output_tokens == whole.usage.output_tokens


def test_the_stream_helper_gathers_the_message(anthropic_client, model, ask):
    messages = [{"role": "user", "content": QUESTION}]
    with anthropic_client.messages.stream(
        model=model, messages=messages, max_tokens=30, extra_body={"temperature": 0}
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == text_of(final) == text_of(ask())


@pytest.mark.parametrize("seed", range(4))
def test_a_forced_tool_gets_input_of_its_schema_and_its_result_is_taken(ask, seed):
    fields = {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    message = ask(**fields, max_tokens=300, extra_body={"seed": seed, "temperature": 1.5})
    assert message.stop_reason == "tool_use"
    (call,) = message.content
    assert (call.type, call.name) == ("tool_use", "get_weather")
    jsonschema.validate(call.input, SCHEMA)

    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": [call.model_dump(include={"type", "id", "name", "input"})]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}]},
    ]
    assert text_of(ask(messages=turns))


def test_a_streamed_input_is_the_whole_one(anthropic_client, model, ask):
    fields = {
        "tools": [TOOL],
        "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        "max_tokens": 300,
        "extra_body": {"seed": 3, "temperature": 1.5},
    }
    (call,) = ask(**fields).content
    messages = [{"role": "user", "content": QUESTION}]
    with anthropic_client.messages.stream(model=model, messages=messages, **fields) as stream:
        (streamed,) = stream.get_final_message().content
    assert (streamed.name, streamed.input) == (call.name, call.input)


def test_errors_have_the_shape_that_the_client_knows(ask):
    with pytest.raises(anthropic.BadRequestError) as refused:
        ask(extra_body={"temperature": -1})
    assert refused.value.body["type"] == "error"
    assert refused.value.body["error"]["type"] == "invalid_request_error"
    assert "temperature" in refused.value.body["error"]["message"]
    with pytest.raises(anthropic.NotFoundError):
        ask(model="another-model")
