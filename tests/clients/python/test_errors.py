"""Errors as the openai package raises them: of keys, fields, sizes and limits."""

import threading

import httpx
import openai
import pytest

from server_program import ServerProgram, until

MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def chat(client, model):
    def ask(**fields):
        return client.chat.completions.create(**{"model": model, "messages": MESSAGES, "max_tokens": 4, **fields})

    return ask


WRONG_FIELDS = {
    "temperature": ({"temperature": 1000}, "temperature", "invalid_value"),
    "top_p": ({"top_p": 0}, "top_p", "invalid_value"),
    "max_tokens": ({"max_tokens": -1}, "max_tokens", "invalid_value"),
    "n": ({"n": 1000}, "n", "invalid_value"),
    "type of a number": ({"extra_body": {"max_tokens": "many"}}, "max_tokens", "invalid_type"),
    "type of a list": ({"extra_body": {"messages": "Hi"}}, "messages", "invalid_type"),
    "no messages": ({"messages": []}, "messages", "invalid_value"),
    "role": ({"messages": [{"role": "stranger", "content": "Hi"}]}, "messages[0].role", "invalid_value"),
    "logprobs": ({"top_logprobs": 3}, "top_logprobs", "invalid_value"),
    "bias": ({"logit_bias": {"99999999": 1}}, "logit_bias", "invalid_parameter"),
    "functions": ({"functions": [{"name": "f", "parameters": {}}]}, "functions", "unsupported"),
    "an image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
        "messages[0].content[0].type",
        "unsupported",
    ),
    "a schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}},
        "response_format.json_schema.schema",
        "invalid_request",
    ),
    "a tool without a name": (
        {"extra_body": {"tools": [{"type": "function", "function": {}}]}},
        "tools[0].function.name",
        "missing_required_parameter",
    ),
}


@pytest.mark.parametrize("fields, param, code", WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_a_wrong_field_is_named(chat, fields, param, code):
    with pytest.raises(openai.BadRequestError) as refused:
        chat(**fields)
    assert (refused.value.param, refused.value.code) == (param, code)
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id


def test_another_model_is_not_found(chat):
    with pytest.raises(openai.NotFoundError) as refused:
        chat(model="another-model")
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")
    assert "another-model" in refused.value.body["message"]


def test_a_prompt_beyond_the_context_says_both_figures(server, chat):
    messages = [{"role": "user", "content": "word " * 3000}]
    with pytest.raises(openai.BadRequestError) as refused:
        chat(messages=messages)
    assert refused.value.code == "context_length_exceeded"
    assert str(len(server.chat_tokens(messages))) in refused.value.body["message"]
    assert "1024" in refused.value.body["message"]


def test_a_wrong_request_for_a_stream_is_an_error_and_no_stream(chat):
    with pytest.raises(openai.BadRequestError):
        chat(temperature=-1, stream=True)


def test_errors_harm_no_neighbour(server, chat):
    """An answer is the same while others are refused."""
    fields = {"temperature": 1, "seed": 4, "max_tokens": 200, "extra_body": {"ignore_eos": True}}
    alone = chat(**fields).choices[0].message.content
    is_over = threading.Event()

    def be_refused():
        while not is_over.is_set():
            httpx.post(f"{server.url}/v1/chat/completions", json={"messages": MESSAGES, "temperature": -1})

    other = threading.Thread(target=be_refused)
    other.start()
    try:
        assert chat(**fields).choices[0].message.content == alone
    finally:
        is_over.set()
        other.join()


def test_keys_are_asked_for_and_told_apart():
    with ServerProgram("--api-key", "of-a-user", "--admin-key", "of-an-admin") as guarded:

        def client(key):
            return openai.OpenAI(base_url=f"{guarded.url}/v1", api_key=key, max_retries=0)

        model = client("of-a-user").models.list().data[0].id
        for key in ("of-a-user", "of-an-admin"):
            answer = client(key).chat.completions.create(model=model, messages=MESSAGES, max_tokens=2)
            assert answer.usage.completion_tokens > 0
        for key in ("of-nobody", "of-a-user2", "of-a-use"):
            with pytest.raises(openai.AuthenticationError) as refused:
                client(key).models.list()
            assert refused.value.status_code == 401
        assert httpx.get(f"{guarded.url}/v1/models").status_code == 401
        assert httpx.get(f"{guarded.url}/v1/models", headers={"x-api-key": "of-a-user"}).status_code == 200
        assert httpx.get(f"{guarded.url}/health").status_code == 200
        for secret in ("of-a-user", "of-an-admin"):
            assert secret not in guarded.log


def test_requests_beyond_the_limit_are_told_to_come_back():
    with ServerProgram("--max-requests", "1") as narrow:
        client = openai.OpenAI(base_url=f"{narrow.url}/v1", api_key="unused", max_retries=0)
        model = client.models.list().data[0].id
        fields = {"model": model, "messages": MESSAGES}
        endless = client.chat.completions.create(**fields, stream=True, extra_body={"ignore_eos": True})
        next(iter(endless))
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**fields, max_tokens=1)
        assert int(refused.value.response.headers["retry-after"]) >= 1
        endless.close()
        until(narrow.is_idle, "the first is cancelled")
        # By itself the client comes back as it is told, and is answered.
        patient = client.with_options(max_retries=5)
        assert patient.chat.completions.create(**fields, max_tokens=1).usage.completion_tokens == 1
